const dark = window.matchMedia("(prefers-color-scheme: dark)");
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themed(layout) {
  const [ink, muted, grid, paper] = ["--ink", "--muted", "--grid", "--paper"].map(variable);
  layout.font = { family: getComputedStyle(document.documentElement).fontFamily, size: 12, color: muted };
  layout.hoverlabel = { bgcolor: paper, bordercolor: grid, font: { color: ink, size: 12 } };
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    layout[name] = { ...layout[name], gridcolor: grid, zerolinecolor: muted, zerolinewidth: 1, color: muted };
  }
  for (const note of layout.annotations || []) note.font = { ...note.font, color: ink };
  return layout;
}

function inked(trace) {
  const line = trace.line && trace.line.color && trace.line.color.startsWith("--") ? { ...trace.line, color: variable(trace.line.color) } : trace.line;
  return line ? { ...trace, line } : trace;
}

function draw() {
  for (const place of document.querySelectorAll(".figure")) {
    const figure = JSON.parse(document.getElementById(place.dataset.source).textContent);
    Plotly.react(place, figure.data.map(inked), themed(figure.layout), { responsive: true, displayModeBar: false, displaylogo: false });
  }
}

draw();
dark.addEventListener("change", draw);
