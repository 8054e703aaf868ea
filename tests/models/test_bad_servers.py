"""Servers that hold a connection open, send without end, steer terminals or repeat keys: an end within seconds and within memory."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")

from massjax.errors import ConfigError, ModelError
from massjax.models.forms import Write
from tests.models.serve import answer, serving
from tests.models.test_server import PROMPTS, SECRET, asked, client_of, put, right


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ALL_PROXY", "socks9://127.0.0.1:1"), ("HTTP_PROXY", "127.0.0.1:99999999"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_an_environment_that_no_connection_can_be_made_in_is_told(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv(variable.lower(), value)
    with pytest.raises(ModelError, match=r"^http://127\.0\.0\.1:\d+/v1: "):
        asked()


def test_a_server_that_sends_requests_elsewhere_is_told() -> None:
    with pytest.raises(ModelError, match=r"sends every request on to https://other/v1 \(308\); set scoring.endpoint.url"):
        asked(lambda number, message: (308, {"location": "https://other/v1"}, ""))


def trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b" " * (1 << 20))


def test_a_byte_now_and_then_does_not_hold_a_request_open() -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"no answer within 0.5 s \(2 attempts\)"):
        asked(lambda number, message: trickle, timeout=0.5, attempts=2, concurrency=12)
    assert time.monotonic() - began < 50, "it read on to the end, which takes 100 s"


@pytest.mark.parametrize("kind", ["endless", "compressed"])
def test_a_reply_without_end_is_not_taken_into_memory(kind: str) -> None:
    bomb = gzip.compress(b" " * (300 << 20), compresslevel=9)
    tracemalloc.start()
    with pytest.raises(ModelError, match="a reply of more than 4 MiB, which is not read"):
        asked(lambda number, message: endless if kind == "endless" else (200, {"content-encoding": "gzip"}, bomb), timeout=60.0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100 << 20


def test_a_compressed_reply_is_read() -> None:
    answers, _ = asked(lambda number, message: (200, {"content-encoding": "gzip"}, gzip.compress(json.dumps(answer(message)).encode())))
    assert right(answers)
    with pytest.raises(ModelError, match="content-encoding 'br', which was not asked for"):
        asked(lambda number, message: (200, {"content-encoding": "br"}, "x"))


@pytest.mark.parametrize("escape", ["\x1b[2J", "\x9b31m", "\x1b]0;title\x07", "\u202eevil", "a\r\nb", "\u2028"])
def test_what_a_server_says_cannot_steer_a_terminal(escape: str) -> None:
    for body in (json.dumps({"error": {"message": f"no {escape} way"}}), f"no {escape} way"):
        with pytest.raises(ModelError, match=r"no .*way") as caught:
            asked(lambda number, message, body=body: (400, {}, body))
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", [SECRET, SECRET.replace("-", "\\u002d"), f"{SECRET[:9]}\\n{SECRET[9:]}", f"{SECRET[:7]}********{SECRET[-4:]}"]
)
def test_the_key_is_in_no_message_or_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSJAX_TEST_KEY", SECRET)
    body = f'{{"error": {{"message": "Incorrect API key provided: {text}."}}}}'
    with pytest.raises(ModelError) as caught:
        asked(lambda number, message: (401, {}, body), key_variable="MASSJAX_TEST_KEY")
    assert "Incorrect API key provided: ***" in str(caught.value)
    said = json.dumps({"choices": [{"message": {"content": f"my key is {SECRET}\x1b[2J"}}]})
    with serving(lambda number, message: (200, {}, said)) as served:
        client = client_of(served, key_variable="MASSJAX_TEST_KEY")
        assert put(client, PROMPTS[:1], Write(20))[0].text == "my key is ***\\x1b[2J"
        client.close()


def test_a_key_that_no_header_can_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("sk-abc\ndef-0123", "sk–typographic", "“sk-quoted”"):
        monkeypatch.setenv("MASSJAX_TEST_KEY", key)
        with serving() as served, pytest.raises(ConfigError, match="MASSJAX_TEST_KEY holds characters that no API key has"):
            client_of(served, key_variable="MASSJAX_TEST_KEY")
