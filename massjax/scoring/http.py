"""Requests that are made again: bounded concurrency, exponential backoff with jitter, Retry-After honoured, no key in any message."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx

from massjax.config import EndpointSettings
from massjax.errors import ModelError

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Answers after which the same request may well succeed."""
REFUSED = frozenset({401, 402, 403, 404, 405})
"""Answers that every other request would get too."""
LONGEST_MESSAGE = 300


class Reply(NamedTuple):
    """What became of one request: the server's JSON, or why there is none."""

    document: Mapping[str, Any] | None
    failure: str


class Requests:
    """A client of one server; requests in a batch are made concurrently.

    Args:
        headers: sent with every request; `secret` in them is kept out of all messages.
    """

    def __init__(self, settings: EndpointSettings, headers: Mapping[str, str], secret: str | None) -> None:
        self.settings = settings
        self._headers = dict(headers)
        self._secret = secret
        self._runner = asyncio.Runner()
        self._random = random.Random()
        self._not_before = 0.0
        self._client: httpx.AsyncClient | None = None

    def get(self, path: str) -> Reply:
        """One GET, repeated as `post` repeats."""
        return self._runner.run(self._all("GET", path, [None], None))[0]

    def probe(self, url: str) -> Mapping[str, Any] | None:
        """The JSON mapping at an address, asked for once; None where there is none."""
        return self._runner.run(self._probe(url))

    async def _probe(self, url: str) -> Mapping[str, Any] | None:
        try:
            document = (await self._connected().get(url)).json()
        except (httpx.HTTPError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=self.settings.concurrency, max_keepalive_connections=self.settings.concurrency)
            self._client = httpx.AsyncClient(headers=self._headers, timeout=self.settings.timeout, limits=limits)
        return self._client

    def post(self, path: str, bodies: Sequence[Mapping[str, Any]], accept: Callable[[Mapping[str, Any]], str | None]) -> list[Reply]:
        """One POST for every body, in order.

        Args:
            accept: says what is wrong with a reply, None if nothing is; a reply in which something is wrong is asked for again.

        Raises:
            ModelError: the server refuses all requests alike (401, 403, 404, ...).
        """
        return self._runner.run(self._all("POST", path, bodies, accept))

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    async def _all(
        self, method: str, path: str, bodies: Sequence[Mapping[str, Any] | None], accept: Callable[[Mapping[str, Any]], str | None] | None
    ) -> list[Reply]:
        replies = [Reply(None, "not asked")] * len(bodies)
        rest = iter(range(len(bodies)))

        async def worker() -> None:
            for row in rest:
                replies[row] = await self._one(method, path, bodies[row], accept)

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self.settings.concurrency, len(bodies))):
                    workers.create_task(worker())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        return replies

    async def _one(
        self, method: str, path: str, body: Mapping[str, Any] | None, accept: Callable[[Mapping[str, Any]], str | None] | None
    ) -> Reply:
        failure = ""
        for attempt in range(self.settings.attempts):
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            wait = self._backoff(attempt)
            try:
                response = await self._connected().request(method, self.settings.url.rstrip("/") + path, json=body)
            except httpx.TimeoutException:
                failure = f"no answer within {self.settings.timeout:g} s"
            except httpx.HTTPError as error:
                failure = self._plain(f"{type(error).__name__}: {error}")
            else:
                if response.status_code == 200:
                    try:
                        document = response.json()
                        wrong = None if accept is None else accept(document)
                    except (ValueError, LookupError, TypeError, AttributeError) as error:
                        wrong = f"a reply that is not understood ({type(error).__name__})"
                    if wrong is None:
                        return Reply(document, "")
                    failure = wrong
                else:
                    failure = f"HTTP {response.status_code}: {self._plain(response.text)}"
                    if response.status_code in REFUSED:
                        raise ModelError(f"{self.settings.url}{path}: refused with {failure}; {self._advice(response.status_code)}")
                    if response.status_code not in AGAIN:
                        return Reply(None, failure)
                    asked = retry_after(response.headers.get("retry-after"))
                    if asked is not None:
                        wait = max(wait, min(asked, self.settings.longest_wait))
                        self._not_before = max(self._not_before, time.monotonic() + wait)
            if attempt + 1 < self.settings.attempts:
                await asyncio.sleep(wait)
        return Reply(None, f"{failure} ({self.settings.attempts} attempts)")

    def _backoff(self, attempt: int) -> float:
        """Between half of the exponential wait and the whole of it."""
        whole = min(self.settings.first_wait * 2.0**attempt, self.settings.longest_wait)
        return whole * self._random.uniform(0.5, 1.0)

    def _plain(self, text: str) -> str:
        text = " ".join(text.split())
        if self._secret:
            text = text.replace(self._secret, "***")
        return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"

    def _advice(self, status: int) -> str:
        if status == 404:
            return "check scoring.endpoint.url (it usually ends in /v1), .model and .api"
        variable = self.settings.key_variable
        return f"check the key in the environment variable {variable}" if variable else "endpoint.key_variable names a variable with a key"


def retry_after(value: str | None) -> float | None:
    """Seconds asked for by a Retry-After header (RFC 9110: a number of seconds, or a date); None where it has neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
