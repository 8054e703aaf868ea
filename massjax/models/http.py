"""Requests that are made again, within bounds: of concurrency, of time, of size; Retry-After honoured; no key in any message."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, NamedTuple, TypeVar

import httpx

from massjax.errors import ModelError
from massjax.models.failures import Failure, Reason
from massjax.models.redaction import Redaction
from massjax.models.refusals import cure, is_out_of_credit, is_too_long
from massjax.models.replies import error_in, parsed
from massjax.models.settings import EndpointSettings
from massjax.terminal import escaped_text

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Answers after which the same request may well succeed."""
REFUSED = frozenset({401, 402, 403, 404, 405})
"""Answers that every other request would get too."""
LONGEST_MESSAGE = 300
LARGEST_REPLY = 4 << 20
"""Bytes of a reply, decompressed; a reply to one of massjax's requests has some thousands."""
NOT_UNDERSTOOD_ATTEMPTS = 3
"""A garbled reply may be an accident of the way; the third is the server's own."""
_TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.TIMED_OUT, Reason.MALFORMED})

T = TypeVar("T")
ReadReply = Callable[[bytes], T | Failure]
"""Makes of a body what is needed of it, or says why there is nothing to be had."""


class Reply(NamedTuple, Generic[T]):
    """What became of one request: what was read of the reply, or why there is nothing."""

    value: T | None
    failure: Failure | None


class _Try(NamedTuple):
    """One attempt: the body of a reply, or a failure; and the wait that the server asked for."""

    body: bytes | None
    failure: Failure | None
    wait: float | None = None


class Requests:
    """A client of one server; requests in a batch are made concurrently.

    Args:
        headers: sent with every request; `secret` in them is kept out of all messages.
    """

    def __init__(self, settings: EndpointSettings, headers: Mapping[str, str], secret: str | None) -> None:
        self.settings = settings
        self._headers = {**headers, "accept": "application/json", "accept-encoding": "gzip"}
        self._redacted = Redaction(secret)
        self._runner = asyncio.Runner()
        self._random = random.Random()
        self._not_before = 0.0
        self._client: httpx.AsyncClient | None = None

    def get(self, path: str, read_reply: ReadReply[T]) -> Reply[T]:
        """One GET, made `scoring.endpoint.attempts` times at most.

        Raises:
            ModelError: the server refuses the key (401).
        """
        return self._runner.run(self._all("GET", path, [None], read_reply, self.settings.attempts))[0]

    def probe(self, url: str) -> bytes | None:
        """The body at an address, asked for once; None where there is none."""
        try:
            return self._runner.run(self._attempt("GET", url, None)).body
        except ModelError:
            return None

    def post(
        self,
        path: str,
        bodies: Sequence[Mapping[str, Any]],
        read_reply: ReadReply[T] | Sequence[ReadReply[T]],
        attempts: int | None = None,
    ) -> list[Reply[T]]:
        """One POST for every body, in order; each `scoring.endpoint.attempts` times at most, unless `attempts` says otherwise.

        Args:
            read_reply: makes something of each reply, or one for each body; a reply that is not understood is asked for again.

        Raises:
            ModelError: the server refuses all requests alike (401, 403, 404, ...).
        """
        return self._runner.run(self._all("POST", path, bodies, read_reply, attempts or self.settings.attempts))

    def plain(self, text: str, limit: int = LONGEST_MESSAGE) -> str:
        """What a server said, fit to be shown and kept: one line without the key and without control characters, not too long."""
        text = escaped_text(" ".join(self._redacted(text[: 16 * limit]).split()))
        text = self._redacted(text)
        return text if len(text) <= limit else text[:limit] + "…"

    def redacted(self, text: str) -> str:
        """A text without the key."""
        return self._redacted(text)

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=self.settings.concurrency, max_keepalive_connections=self.settings.concurrency)
            try:
                self._client = httpx.AsyncClient(headers=self._headers, timeout=self.settings.timeout, limits=limits)
            except (ValueError, ImportError, OSError) as error:
                raise ModelError(
                    f"{self.settings.url}: no connection can be prepared ({self.plain(f'{type(error).__name__}: {error}')}); check the "
                    "environment variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
                ) from None
        return self._client

    async def _all(
        self,
        method: str,
        path: str,
        bodies: Sequence[Mapping[str, Any] | None],
        read_reply: ReadReply[T] | Sequence[ReadReply[T]],
        attempts: int,
    ) -> list[Reply[T]]:
        readers = [read_reply] * len(bodies) if callable(read_reply) else read_reply
        replies: list[Reply[T]] = [Reply(None, Failure(Reason.OTHER, "not asked"))] * len(bodies)
        rest = iter(range(len(bodies)))

        async def worker() -> None:
            for row in rest:
                replies[row] = await self._one(method, path, bodies[row], readers[row], attempts)

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self.settings.concurrency, len(bodies))):
                    workers.create_task(worker())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        return replies

    async def _one(self, method: str, path: str, body: Mapping[str, Any] | None, read_reply: ReadReply[T], attempts: int) -> Reply[T]:
        failure, made = Failure(Reason.OTHER), 0
        while made < attempts:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            wait = self._backoff(made)
            tried = await self._attempt(method, self.settings.url.rstrip("/") + path, body)
            made += 1
            if tried.failure is None:
                found = read_reply(tried.body or b"")
                if not isinstance(found, Failure):
                    return Reply(found, None)
                failure = self._told_inside(found, path)
            else:
                failure = tried.failure
            if failure.reason not in _TRANSIENT:
                return Reply(None, failure)
            if failure.reason is Reason.MALFORMED:
                attempts = min(attempts, NOT_UNDERSTOOD_ATTEMPTS)
            if tried.wait is not None:
                wait = max(wait, min(tried.wait, self.settings.longest_wait))
                self._not_before = max(self._not_before, time.monotonic() + wait)
            if made < attempts:
                await asyncio.sleep(wait)
        return Reply(None, failure if made == 1 else failure._replace(words=f"{failure.words} ({made} attempts)"))

    def _told_inside(self, failure: Failure, path: str) -> Failure:
        """A failure that was read out of a reply with status 200; an error in it may hold the status that it should have had."""
        words = self.plain(failure.words)
        if failure.reason is not Reason.REFUSED:
            return failure._replace(words=words)
        code = words.partition(":")[0]
        if code.isdigit() and int(code) in REFUSED:
            self._refuse(path, int(code), f"an error in a reply: {words}")
        if code.isdigit() and int(code) in AGAIN:
            return Failure(Reason.UNAVAILABLE, f"an error in a reply: {words}")
        return Failure(Reason.TOO_LONG if is_too_long(words) else Reason.REFUSED, f"an error in a reply: {words}")

    async def _attempt(self, method: str, url: str, body: Mapping[str, Any] | None) -> _Try:
        try:
            async with asyncio.timeout(self.settings.timeout), self._connected().stream(method, url, json=body) as response:
                data, whole = await _body(response)
        except (TimeoutError, httpx.TimeoutException):
            return _Try(None, Failure(Reason.TIMED_OUT, f"no answer within {self.settings.timeout:g} s"))
        except (httpx.HTTPError, httpx.InvalidURL, zlib.error, OverflowError, ExceptionGroup, OSError) as error:
            return _Try(None, Failure(Reason.UNAVAILABLE, self.plain(f"{type(error).__name__}: {error}")))
        except ValueError as error:
            return _Try(None, Failure(Reason.MALFORMED, self.plain(str(error))))
        status = response.status_code
        if 200 <= status < 300:
            if whole:
                return _Try(data, None)
            return _Try(None, Failure(Reason.MALFORMED, f"a reply of more than {LARGEST_REPLY >> 20} MiB, which is not read"))
        words = f"HTTP {status}: {self.plain(_words(data))}"
        if method == "POST" or status in (401, 402, 407):
            if status == 429 and is_out_of_credit(words):
                self._refuse(url, status, words)
            if status in REFUSED and (body is None or cure(words, body) is None):
                self._refuse(url, status, words)
            if 300 <= status < 400:
                place = self.plain(response.headers.get("location", "an address that it does not name"))
                raise ModelError(
                    f"{self.settings.url}: sends every request on to {place} ({status}); set scoring.endpoint.url to where it answers"
                )
        again = status in AGAIN and not (status in (500, 501) and body is not None and cure(words, body))
        if again:
            return _Try(None, Failure(Reason.UNAVAILABLE, words), retry_after(response.headers.get("retry-after")))
        return _Try(None, Failure(Reason.TOO_LONG if status == 413 or is_too_long(words) else Reason.REFUSED, words))

    def _refuse(self, url: str, status: int, words: str) -> None:
        path = url.removeprefix(self.settings.url.rstrip("/"))
        raise ModelError(f"{self.settings.url}{path}: refused with {words}; {self._advice(status)}")

    def _backoff(self, attempt: int) -> float:
        """Between half of the exponential wait and the whole of it."""
        whole = min(self.settings.first_wait * 2.0**attempt, self.settings.longest_wait)
        return whole * self._random.uniform(0.5, 1.0)

    def _advice(self, status: int) -> str:
        if status == 429:
            return "the account has no credit left; what is scored is stored: start again when it has"
        if status in (404, 405):
            return "check scoring.endpoint.url (it usually ends in /v1), .model and .api"
        variable = self.settings.key_variable
        return f"check the key in the environment variable {variable}" if variable else "endpoint.key_variable names a variable with a key"


async def _body(response: httpx.Response) -> tuple[bytes, bool]:
    """A reply's bytes, decompressed, as far as `LARGEST_REPLY` goes; and whether that is all of it.

    Raises:
        ValueError: it is encoded in a way that was not asked for.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise ValueError(f"a reply with the content-encoding {encoding!r}, which was not asked for")
    compressed = encoding not in ("identity", "")
    inflate, data = zlib.decompressobj(wbits=47), bytearray()
    async for chunk in response.aiter_raw():
        room = LARGEST_REPLY + 1 - len(data)
        data += inflate.decompress(chunk, room) if compressed else chunk[:room]
        if len(data) > LARGEST_REPLY:
            return bytes(data[:LARGEST_REPLY]), False
    return bytes(data), True


def _words(data: bytes) -> str:
    """What a server says of an error: the message in its JSON, or its text."""
    try:
        told = error_in(parsed(data))
    except ValueError:
        told = None
    return told or data[: 16 * LONGEST_MESSAGE].decode("utf-8", "replace")


def retry_after(value: str | None) -> float | None:
    """Seconds asked for by a Retry-After header (RFC 9110: a number of seconds, or a date); None where it has neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if seconds == seconds else None
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
