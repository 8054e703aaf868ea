"""A small real HTTP server with the chat API, that fails as it is told: for tests of what a client does about faults."""

from __future__ import annotations

import json
import math
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.models.byte_model import table

Wire = Callable[[BaseHTTPRequestHandler], None]
"""Writes to the connection itself."""
Fault = Callable[[int, str], tuple[int, dict[str, str], str | bytes] | float | Wire | None]
"""From the number of the request and its user message: status, headers and body; or seconds to sleep first; or None for an answer."""


@dataclass
class Served:
    """What a server was asked.

    Attributes:
        url: its base.
        messages: the user message of each request, in order of arrival.
        times: when each came.
        keys: Authorization headers seen.
        bodies: what was posted.
        most: requests under way at once, at most.
    """

    url: str = ""
    messages: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    most: int = 0
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def answer(message: str) -> dict[str, Any]:
    """The answer to a message: log-probabilities that depend on it alone."""
    weights = [1.0 + (hash_of(message) >> (4 * i)) % 16 for i in range(5)]
    top = [{"token": str(i + 1), "logprob": math.log(w / (sum(weights) + 3.0))} for i, w in enumerate(weights)]
    top.append({"token": "The", "logprob": math.log(3.0 / (sum(weights) + 3.0))})
    usage = {"prompt_tokens": len(message) // 4, "prompt_tokens_details": {"cached_tokens": 3}}
    return {"choices": [{"message": {"content": "3"}, "logprobs": {"content": [{"top_logprobs": top}]}}], "usage": usage}


def token_answer(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to token ids, by the table of `tests.models.byte_model`: log-probabilities of the tokens asked for, or of
    its own with `echo`; or a text."""
    usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": 1}
    if body.get("echo"):
        ids = [*body["prompt"], 65]
        own = [None, *(float(table(tuple(ids[:place]))[token]) for place, token in enumerate(ids) if place)]
        logprobs = {"tokens": [f"token_id:{token}" for token in ids], "token_logprobs": own, "top_logprobs": None}
        return {"choices": [{"text": "the prompt, and A", "logprobs": logprobs}], "usage": usage}
    if "logprob_token_ids" not in body:
        return {"choices": [{"text": f" text {hash_of(json.dumps(body['prompt']))}", "finish_reason": "stop"}], "usage": usage}
    row = table(tuple(body["prompt"]))
    sent = {f"token_id:{token}": float(row[token]) for token in body["logprob_token_ids"]}
    return {"choices": [{"text": "", "logprobs": {"top_logprobs": [sent]}}], "usage": usage}


def hash_of(message: str) -> int:
    return zlib.crc32(message.encode())


@contextmanager
def serving(
    fault: Fault = lambda number, message: None, seconds: float = 0.0, models: Any = None, models_status: int = 200, version: Any = None
) -> Iterator[Served]:
    """Serve the model `small` on loopback until the block ends; `models` stands in place of a good document (or text) at `/models`."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            document = {"data": [{"id": "small"}]} if models is None else models
            if self.path.endswith("/version"):
                document = {"version": version} if version is not None else {}
            status = 200 if self.path.endswith("/version") else models_status
            self.reply(status, {}, document if isinstance(document, str | bytes) else json.dumps(document))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            message = body["messages"][-1]["content"] if "messages" in body else json.dumps(body["prompt"])
            with served.lock:
                number = len(served.messages)
                served.messages.append(message)
                served.times.append(time.monotonic())
                served.bodies.append(body)
                served.keys.add(self.headers.get("authorization"))
                served.under_way += 1
                served.most = max(served.most, served.under_way)
            try:
                time.sleep(seconds)
                found = fault(number, message)
                if isinstance(found, float):
                    time.sleep(found)
                if isinstance(found, tuple):
                    self.reply(*found)
                elif callable(found):
                    found(self)
                else:
                    self.reply(200, {}, json.dumps(answer(message) if "messages" in body else token_answer(body)))
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                with served.lock:
                    served.under_way -= 1

        def reply(self, status: int, headers: dict[str, str], text: str | bytes) -> None:
            data = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", "content-length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
