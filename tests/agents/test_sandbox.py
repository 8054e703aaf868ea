"""A prompt template of somebody else reaches plain values alone, and a render ends within bounds of work, length and depth."""

from __future__ import annotations

import os
import pickle
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from massjax.agents import PromptTemplate
from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.prompts import LONGEST_TEMPLATE
from massjax.errors import ConfigError

READER = Archetype(name="reader", modalities=("price", "news"), persona="You like trains.", replica=2)
SECONDS, BYTES = 8.0, 300_000_000


def template(tmp_path: Path, user: str, system: str = "s", after: str = "") -> PromptTemplate:
    file = tmp_path / "own.j2"
    file.write_text(f"{{% block system %}}{system}{{% endblock %}}{{% block user %}}{user}{{% endblock %}}{after}")
    return PromptTemplate(file)


def rendered(tmp_path: Path, user: str, **options: str) -> str:
    fact = Fact("price", "momentum", np.zeros((1, 1), dtype=np.int32), ("high",))
    return template(tmp_path, user, **options).render(READER, [(fact, "high")], ("1", "2", "3")).user


class Boom:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["BOOM"],)


def test_a_pickle_in_a_template_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOM", str(tmp_path / "boom"))
    body = pickle.dumps(Boom(), protocol=0).decode()
    for method in ("parse_raw", "model_validate", "parse_file", "copy", "model_copy", "replace", "construct", "json", "dict"):
        for call in (f"archetype.{method}({body!r}, content_type='x/pickle', allow_pickle=True)", f"archetype['{method}']({body!r})"):
            with pytest.raises(ConfigError, match=r"own\.j2: cannot be rendered for archetype 'reader'"):
                rendered(tmp_path, "{{ " + call + " }}")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "expression",
    [
        "archetype.__class__",
        "archetype['__class__']",
        "archetype.model_fields",
        "archetype.update(name='x')",
        "archetype.pop('name')",
        "choices.append('6')",
        "choices.sort()",
        "''.__class__.__mro__[1].__subclasses__()",
        "''['__class__']",
        "''|attr('__class__')",
        "'{0.__class__}'.format('')",
        "'{0[__class__]}'.format('')",
        "'{x.__class__}'.format_map({'x': 1})",
        "('{0.__class__}').format.__self__",
        "[1]|map(attribute='__class__')|list",
        "[1]|map('attr', '__class__')|list",
        "['x']|map(attribute='upper.__self__')|list",
        "[archetype]|groupby('__class__')",
        "['']|selectattr('__class__')|list",
        "self.__init__.__globals__",
        "self._TemplateReference__context",
        "self.user.super",
        "self.user._context",
        "cycler('a')",
        "namespace(a=1)",
        "lipsum(n=100000)",
        "joiner()",
        "dict(a=1)",
        "cycler.__init__.__globals__.os",
        "range.__self__",
        "range(3).__class__",
        "self",
        "self.system",
        "range",
        "[1]|random",
        "'a'|urlize",
        "'a'|pprint",
        "x|default(''.__class__)",
        "'%s' % ''.__class__",
        "'a' ~ 'b'.upper",
        "['b'.upper]|string",
        "[archetype]|join(',', attribute='items')",
    ],
)
def test_python_is_out_of_reach(tmp_path: Path, expression: str) -> None:
    with pytest.raises(ConfigError, match=r"own\.j2"):
        rendered(tmp_path, "{{ " + expression + " }}")


LAUGHS = "{% set a = ['lol'] * 10 %}" + "".join(
    f"{{% set {n} = [{', '.join([m] * 10)}] %}}" for m, n in zip("abcdefghij", "bcdefghijk", strict=True)
)
DOUBLED = "{% set a = 'a' %}" + "{% set a = a ~ a %}" * 60 + "{{ a|length }}"


@pytest.mark.parametrize(
    "user",
    [
        "{{ 'a' * 10000000000 }}",
        "{{ 10000000000 * 'a' }}",
        "{{ [1] * 10000000000 }}",
        "{{ 'a' * 1000000 * 1000000 }}",
        "{{ 2 ** 10 ** 9 }}",
        "{% set x = 2 %}{{ x ** x }}",
        "{% set x = 9 %}" + "{% set x = x * x %}" * 60 + "{{ x }}",
        "{{ 'a'|center(1000000000) }}",
        "{{ 'a'.center(1000000000) }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a'.zfill(1000000000) }}",
        "{{ '\t'.expandtabs(1000000000) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ ('%(a)s' * 10000) % {'a': 'x' * 100000} }}",
        "{{ ('%(a)s' * 10000)|format(a='x' * 100000) }}",
        "{{ ('{0}' * 10000).format('x' * 100000) }}",
        "{{ '%*d'|format(1000000000, 1) }}",
        "{{ '%.1000000000f' % 1 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 1000000000) }}",
        "{{ 'a\na'|indent(1000000000) }}",
        "{{ ('a\n' * 10000)|indent('b' * 900) }}",
        "{{ range(1000000000) }}",
        "{{ range(10000)|join('a' * 10000) }}",
        "{{ ('a' * 10000).join('a' * 10000) }}",
        "{{ ('a' * 10000)|replace('a', 'b' * 10000) }}",
        "{{ ('a' * 10000).replace('a', 'b' * 10000) }}",
        "{{ ('a' * 10000)|replace('', 'b' * 10000) }}",
        "{{ [1]|batch(1000000000, 'x')|list }}",
        "{{ [1]|slice(1000000000)|list }}",
        "{{ [[1]]|sum(start=[]) }}",
        "{{ 1|round(1000000000) }}",
        "{{ 1|round(-1000000000, 'ceil') }}",
        "{{ ('a' * 1000000)|trim('b' * 999999 + 'a') }}",
        "{{ ('a' * 1000000).strip('b' * 999999 + 'a') }}",
        "{{ ('a' * 1000000).rfind('b' + 'a' * 500000) }}",
        "{{ ('f' * 100000)|int(base=16) }}",
        "{{ [1]|tojson(indent=1000000000) }}",
        "{{ ('a' * 1000000)|wordwrap(1) }}",
        "{% for i in range(10000) %}{% for j in range(10000) %}{% for k in range(10000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for i in range(10000) %}{% for j in range(10000) if false %}{% endfor %}{% endfor %}",
        "{% for i in range(10000) %}" + "{% if 'a' == 'b' %}{% endif %}" * 1000 + "{% endfor %}",
        "{% for i in range(10000) %}" + "a" * 2000 + "{% endfor %}",
        "{% for i in range(10000) %}{{ 'a' * 2000 }}{% endfor %}",
        "{% set x = 'a' * 1000000 %}{% for i in range(10000) %}{% if x + 'b' == x %}{% endif %}{% endfor %}",
        "{% set x = 'a' * 1000000 %}{% for i in range(10000) %}{% if x == x[:] %}{% endif %}{% endfor %}",
        "{% set x = 'a' * 1000000 %}{% for i in range(10000) %}{% if x is upper %}{% endif %}{% endfor %}",
        "".join(f"{{% set x{i} = 'a' * 1000000 %}}" for i in range(1000)),
        LAUGHS + "{{ k }}",
        LAUGHS + "{{ k|string }}",
        LAUGHS + "{{ k == j }}",
        LAUGHS + "{{ k|tojson }}",
        DOUBLED,
        "{% set x %}" + "a" * 1000 + "{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40 + "{{ x|length }}",
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% macro m(n) %}{% if n < 25 %}{% if m(n + 1) %}{% endif %}{% if m(n + 1) %}{% endif %}{% endif %}{% endmacro %}{{ m(0) }}",
        "{{ self.user() }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% for i in range(10000) %}{% call m() %}" + "a" * 10000 + "{% endcall %}{% endfor %}",
        "{% filter upper %}{% for i in range(10000) %}" + "a" * 1000 + "{% endfor %}{% endfilter %}",
        "{{ range(10000)|map('default')|map('string')|map('center', 999)|join }}",
        "{{ range(10)|map(attribute='x', default='a' * 1000000)|list }}",
        "{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}",
        "{{ " + "not " * 20000 + "1 }}",
        "{{ " + "1 + " * 20000 + "1 }}",
        "{{ " + "9" * 50000 + " }}",
        "{% if 1 %}" * 500 + "{% endif %}" * 500,
        "{% for i in [1] %}" * 500 + "{% endfor %}" * 500,
        "{% for i in range(9999) %}{% if 1.5 in range(9999) %}{% endif %}{% endfor %}",
        "{{ '\\ud800' }}",
        "{% include 'investor.j2' %}",
        "{% import 'investor.j2' as x %}",
        "{% from 'investor.j2' import x %}",
    ],
)
def test_a_render_ends_in_an_error_in_time_and_memory(tmp_path: Path, user: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(ConfigError, match=r"own\.j2"):
            rendered(tmp_path, user)
        assert time.process_time() - began < SECONDS
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("{{ archetype.name }}.{{ archetype.replica }}.{{ archetype['persona'] }}.{{ archetype.kind }}", "reader.2.You like trains..llm"),
        ("{{ archetype.modalities }} {{ archetype.modalities|join('+') }}", "('price', 'news') price+news"),
        (
            "{% for s in sections %}{% for l in s.lines %}{{ loop.index }} {{ l.label|title }}={{ l['text'].upper() }}"
            + 2 * "{% endfor %}",
            "1 Momentum=HIGH",
        ),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') }}{{ m(x='b') }}", "<a><b>"),
        ("{% for i in range(3) %}{{ i * 2 }}{{ ',' if not loop.last }}{% endfor %}", "0,2,4"),
        ("{{ '%.2f'|format(1.234) }} {{ '%5s' % 'a' }} {{ '{:>4}|{x}'.format('b', x=1) }}", "1.23     a    b|1"),
        ("{{ 'abc'.replace('b', 'x') }} {{ 'a-b'|replace('-', '+') }} {{ ', '.join(choices) }}", "axc a+b 1, 2, 3"),
        ("{% for g in [{'a': 1}, {'a': 2}]|groupby('a') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}", "1:1 2:1"),
        ("{{ choices|map('int')|sum }} {{ choices|length }} {{ choices[-1] }} {{ choices[:2]|join }}", "6 3 3 12"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{% set x = choices + ['4'] %}{{ x|last }}", "a14"),
        (
            "{{ choices }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 1.5 + 1 }} {{ none }} {{ '<' ~ 1 ~ '>' }} {{ '<b>'|e }}",
            "['1', '2', '3'] 3 3 2.5 None <1> &lt;b&gt;",
        ),
        (
            "{% set x %}a\nb{% endset %}{{ x|indent(2) }}{{ archetype.rule is none }}{{ 'rice' in archetype.modalities[0] }}",
            "a\n  bTrueTrue",
        ),
        (
            "{{ self.system() }}{% filter upper %}x{% endfilter %}{% for i in [3, 1]|sort %}{{ loop.cycle('a', 'b') }}{{ i }}{% endfor %}",
            "sXa1b3",
        ),
    ],
)
def test_what_templates_do_every_day_still_works(tmp_path: Path, user: str, expected: str) -> None:
    assert rendered(tmp_path, user) == expected


def test_a_large_prompt_is_no_attack(tmp_path: Path) -> None:
    user = "{% for i in range(2000) %}- line {{ i }}: {{ sections[0].lines[0].text|upper }}\n{% endfor %}" + "word " * 20_000
    assert len(rendered(tmp_path, user)) > 130_000


def test_a_template_that_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "a named pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        with pytest.raises(ConfigError, match=rf"{path.name}: the prompt template cannot be read \(is {what}\)"):
            PromptTemplate(path)
    with (tmp_path / "large.j2").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ConfigError, match=f"is longer than {LONGEST_TEMPLATE:,} bytes"):
        PromptTemplate(tmp_path / "large.j2")
    (tmp_path / "latin.j2").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match=r"latin\.j2: the prompt template is not a text file in UTF-8"):
        PromptTemplate(tmp_path / "latin.j2")
