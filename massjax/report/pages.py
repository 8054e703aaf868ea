"""What all pages share: templates that let nothing from outside steer them, and figures as data for their scripts."""

from __future__ import annotations

from typing import Any

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.io import to_json

from massjax.terminal import escaped_text


def page_environment() -> jinja2.Environment:
    """Where the templates of pages are found and filled in; text is escaped, and an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("massjax.report", "templates"),
        autoescape=jinja2.select_autoescape(["html", "j2"]),
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def figure_json(figure: go.Figure) -> Markup:
    """A figure as JSON that no HTML parser takes for the end of its script element."""
    json = to_json(figure, validate=False) or ""
    return Markup(json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _shown(value: Any) -> Any:
    """What a template prints: text from outside without characters that are not seen; what is HTML already is left as it is."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else escaped_text(value, keep="\n")
