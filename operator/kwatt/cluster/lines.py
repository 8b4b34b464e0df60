"""Cut a stream of bytes into lines of any length. Pure apart from awaiting the stream.

aiohttp's own readline refuses lines over 4 MiB, and a watch event may be one whole object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

LONGEST_LINE: Final = 32 * 2**20  # bytes; the API server refuses objects far below this


async def lines_of(
    chunks: AsyncIterable[bytes], longest: int = LONGEST_LINE
) -> AsyncIterator[bytes]:
    """Yield complete lines that are not blank; ValueError when the stream ends inside a line."""
    begun: list[bytes] = []  # joined once: a large line arrives in hundreds of chunks
    size = 0
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join((*begun, end))
            begun, size = [], 0
            if line.strip():
                yield line
        begun.append(rest)
        size += len(rest)
        if size > longest:
            raise ValueError(f"a line is longer than {longest} bytes")
        await asyncio.sleep(0)  # a full buffer never suspends, and others need the loop
    if b"".join(begun).strip():
        raise ValueError("the stream ended inside a line")
