"""An API key is found in a text however a server writes it, and nothing else is taken for it."""

from __future__ import annotations

import base64
import json
import textwrap
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from massjax.models.redaction import Redaction

KEY = "sk-test/1f3a9c77+e2b84d0d=="
MASKED = ["sk-test/****84d0d==", "sk-t…0d==", "sk-test/1f3a9c77***", "sk-...b84d0d==", "****************0d==", "sk-xxxxxxxxxxxxxxxx0d=="]


def written(key: str) -> dict[str, str]:
    """Ways in which a key may be in a message."""
    return {
        "raw": key,
        "JSON": json.dumps(key).replace("/", "\\/"),
        "JSON, all escaped": "".join(f"\\u{ord(letter):04X}" for letter in key),
        "percent": quote(key, safe=""),
        "percent of all": "".join(f"%{ord(letter):02x}" for letter in key),
        "percent twice": quote(quote(key, safe=""), safe=""),
        "HTML": "".join(f"&#{ord(letter)};" for letter in key),
        "capitals": key.upper(),
        "small letters": key.lower(),
        "lines": "\n".join(textwrap.wrap(key, 5)),
        "letters": " ".join(key),
        "joined strings": '" + "'.join(textwrap.wrap(key, 6)),
        "hexadecimal": key.encode().hex(),
        "hexadecimal with colons": key.encode().hex(":").upper(),
        "Base64": base64.b64encode(key.encode()).decode(),
        "Base64 of a header": base64.b64encode(f"Bearer {key}".encode()).decode(),
        "Base64 of a user": base64.b64encode(f"me:{key}".encode()).decode(),
        "Base64 within": base64.urlsafe_b64encode(f"x{key}yz".encode()).decode(),
        "Base64 in lines": "\r\n".join(textwrap.wrap(base64.b64encode(key.encode()).decode(), 10)),
        "cut at its end": key[:14],
        "cut at its beginning": key[-14:],
    }


@pytest.mark.parametrize("way", written(KEY))
def test_a_key_is_found_however_it_is_written(way: str) -> None:
    text = written(KEY)[way]
    said = Redaction(KEY)(f"the key {text} is wrong")
    assert said.startswith("the key ")
    assert said.endswith(" is wrong")
    assert "***" in said
    left = len([letter for letter in said[8:-9] if letter.isalnum()])
    assert left <= (11 if way.startswith("Base64 ") else 0), "of Base64, what stands for other text around the key"


@pytest.mark.parametrize("text", MASKED)
def test_a_masked_key_shows_no_piece_of_it(text: str) -> None:
    said = Redaction(KEY)(f"Incorrect API key provided: {text}. You can find your key at https://example.com/keys.")
    assert said.replace("***.", "***") == "Incorrect API key provided: *** You can find your key at https://example.com/keys."


@given(st.text("abcdefghijklmnopqrstuvwxyzABC0123456789_-/+", min_size=20, max_size=60), st.text(max_size=20))
def test_any_key_in_any_text(key: str, around: str) -> None:
    for text in (key, quote(key, safe=""), base64.b64encode(key.encode()).decode(), key.encode().hex()):
        assert text not in Redaction(key)(around + text + around)


def test_other_texts_are_left_alone() -> None:
    text = "This model's maximum context length is 4096 tokens... however, your messages resulted in 5012 tokens ---- please reduce."
    assert Redaction(KEY)(text) == text
    assert Redaction(None)(text) == text
    assert Redaction("EMPTY")("an EMPTY key") == "an *** key"


def test_a_hostile_text_takes_no_time() -> None:
    for letter in "*.x-s":
        assert Redaction(KEY)(letter * 5000)
