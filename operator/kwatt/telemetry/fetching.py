"""One GET with limits on time, bytes and trust: no redirects, no proxies, no cookies, no credentials."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from kwatt import __version__
from kwatt.model.telemetry import Refusal
from kwatt.telemetry.refusals import Unusable

_MI: Final = 2**20
_PIECE: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_REDIRECTS: Final = range(300, 400)
_HEADERS: Final = {
    "Accept": "text/plain;version=0.0.4",
    "Accept-Encoding": "identity",
    "User-Agent": f"kwatt/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one target may take: seconds in all, bytes after decompression."""

    seconds: float = 5.0
    bytes: int = 4 * _MI


def build_session() -> aiohttp.ClientSession:
    """Make a session that keeps connections between two readings and knows nothing of anybody."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=75),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers=_HEADERS,
        timeout=aiohttp.ClientTimeout(total=None),
    )


@dataclass(frozen=True, slots=True)
class Fetch:
    """Where to, within which limits, and which media types are taken for what is wanted."""

    url: str
    limits: Limits
    media_types: tuple[str, ...]
    with_errors: bool = False  # a Prometheus server explains in the body why it answers 4xx


async def fetch(
    session: aiohttp.ClientSession, wanted: Fetch, take: Callable[[bytes], None]
) -> str:
    """Hand the body to `take` piece by piece; return its media type. Raises Unusable."""
    try:
        async with asyncio.timeout(wanted.limits.seconds):
            return await _fetch(session, wanted, take)
    except TimeoutError as error:
        seconds = wanted.limits.seconds
        raise Unusable(Refusal.TIMED_OUT, f"no whole answer within {seconds:g} s") from error
    except aiohttp.ClientSSLError as error:
        raise Unusable(Refusal.TLS, f"TLS failed: {_brief(error)}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unusable(Refusal.UNREACHABLE, f"can't be read: {_brief(error)}") from error


async def _fetch(
    session: aiohttp.ClientSession, wanted: Fetch, take: Callable[[bytes], None]
) -> str:
    answer = await session.get(wanted.url, allow_redirects=False)
    whole = False
    try:
        _check(answer, wanted)
        async for piece in _pieces(answer, wanted.limits.bytes):
            take(piece)
        whole = True
    finally:
        if whole:
            answer.release()
        else:
            answer.close()  # not worth the rest of the body
    return answer.content_type


def _check(answer: aiohttp.ClientResponse, wanted: Fetch) -> None:
    if answer.status in _REDIRECTS:
        raise Unusable(Refusal.REDIRECTED, f"answers {answer.status}; redirects are not followed")
    if answer.status != 200 and not (
        wanted.with_errors and answer.content_type in wanted.media_types
    ):
        raise Unusable(Refusal.HTTP_STATUS, f"answers {answer.status} instead of 200")
    if "Content-Type" in answer.headers and answer.content_type not in wanted.media_types:
        raise Unusable(
            Refusal.NOT_EXPOSITION,
            f"is of type {answer.content_type[:40]!r}; expected {wanted.media_types[0]}",
        )
    if (answer.content_length or 0) > wanted.limits.bytes:
        raise _too_large(wanted.limits.bytes)


async def _pieces(answer: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    """Yield the body, decompressed where it came in gzip although nobody asked for it."""
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip", ""):
        raise Unusable(Refusal.NOT_EXPOSITION, f"is encoded in {encoding[:20]!r}")
    inflate = _Inflater() if encoding == "gzip" else None
    size = 0
    async for raw in answer.content.iter_any():
        for piece in inflate.pieces(raw) if inflate else (raw,):
            size += len(piece)
            if size > most:
                raise _too_large(most)
            yield piece


class _Inflater:
    """Decompresses in small pieces, so that a bomb is noticed before it is unpacked."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)

    def pieces(self, raw: bytes) -> list[bytes]:
        """Return at most a few pieces of what `raw` holds. Raises Unusable."""
        found: list[bytes] = []
        try:
            while raw and len(found) < 128:
                found.append(self._stream.decompress(raw, _PIECE))
                raw = self._stream.unconsumed_tail
        except zlib.error as error:
            raise Unusable(Refusal.NOT_EXPOSITION, f"broken gzip: {_brief(error)}") from error
        if raw:
            raise Unusable(Refusal.TOO_LARGE, "a small gzip holds more than any exposition")
        return found


def _too_large(most: int) -> Unusable:
    return Unusable(Refusal.TOO_LARGE, f"the body is longer than {most // _MI} MiB")


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
