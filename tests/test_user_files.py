"""Whatever stands at a path, and whatever YAML can hold: read, or refused at once and by name."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from massjax.agents.prompts import PromptTemplate
from massjax.config import load_config
from massjax.config.reading import override, read_yaml
from massjax.config.yaml_text import DEEPEST, parse_yaml
from massjax.errors import ConfigError

NINE = ",".join(["*{0}"] * 9)


def bomb(form: str) -> str:
    lines = ["a: &a " + ("{x: 1}" if "<<" in form else "[x]")]
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True):
        lines.append(f"{name}: &{name} {form % NINE.format(before)}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bomb("[%s]"), "holds more than 200,000 values, its aliases counted"),
        (bomb("{<<: [%s]}"), "holds more than 200,000 values, its aliases counted"),
        ("a: &a [*a]", "an alias stands within the value that it names"),
        ("a: " + "[" * 20_000 + "]" * 20_000, f"nested more than {DEEPEST} levels deep"),
        ("a: " + "{a: " * 20_000, f"nested more than {DEEPEST} levels deep"),
        ("? " * 20_000, f"nested more than {DEEPEST} levels deep"),
        ("\n".join(" " * i + "a:" for i in range(1000)), f"nested more than {DEEPEST} levels deep"),
        ("a: " + "9" * 10_000, "4300 digits"),
        ("a: \x00", "special characters"),
        ("a: {yes: 1, true: 2}", "'true' is there twice"),
        ("a: {1: 1, 0x1: 2}", "'0x1' is there twice"),
        ("a: {b: 1, 'b': 2}", "'b' is there twice"),
    ],
)
def test_yaml_that_grows_nests_or_repeats_is_refused_at_once(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert time.process_time() - began < 5
    assert str(caught.value).startswith(f"{file}: is not valid YAML: ")
    assert why in str(caught.value)


def test_a_text_of_digits_that_begins_with_zero_stays_text() -> None:
    assert parse_yaml("[000001, 000008, 600000, 0, -5, 1_000, 0x1F, 2021-01-04]")[:7] == ["000001", "000008", 600000, 0, -5, 1000, 31]
    assert parse_yaml("{000001: a, 1: b}") == {"000001": "a", 1: "b"}
    assert override({"market": {}}, ["market.only=[000001, 000002]"]) == {"market": {"only": ["000001", "000002"]}}


def test_merge_keys_and_aliases_in_moderation_are_read() -> None:
    assert parse_yaml("{a: &a {x: 1, y: 2}, b: {<<: *a, y: 3}, c: [*a, *a]}")["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "link", "long"])
def test_what_is_no_regular_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "strange.yaml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
        case "folder":
            path.mkdir()
        case "device":
            path = Path("/dev/zero")
        case "link":
            path.symlink_to("/dev/zero")
        case "long":
            path.write_text("a: " + "x" * 2**20)
    said = {"pipe": "is a named pipe", "socket": "is a socket", "folder": "is a folder", "long": "is longer than 1,048,576 bytes"}
    for read in (load_config, PromptTemplate):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert said.get(kind, "is a device") in str(caught.value)
