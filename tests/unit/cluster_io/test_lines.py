"""Lines out of chunks."""

from collections.abc import AsyncIterator

import pytest

from kwatt.cluster.lines import lines_of


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def lines(*chunks: bytes, longest: int = 100) -> list[bytes]:
    return [line async for line in lines_of(stream(*chunks), longest)]


async def test_lines_are_cut_wherever_the_chunks_end():
    assert await lines(b"a", b"b\nc", b"\n", b"d\ne\n") == [b"ab", b"c", b"d", b"e"]


async def test_blank_lines_are_skipped():
    assert await lines(b"\n\r\na\n \n") == [b"a"]


async def test_a_line_without_end_is_refused():
    with pytest.raises(ValueError, match="inside a line"):
        await lines(b"a\nb")


async def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory():
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        await lines(*[b"x" * 10] * 20)
