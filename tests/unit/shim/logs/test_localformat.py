from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.shim.logs import localformat
from carrack.shim.logs.localformat import MAGIC, MARK, Block, Broken


def read_of(data: bytes, size: int, at: int) -> bytes:
    return data[at : at + size]


def file_of(*blocks: list[tuple[int, bytes]], rest: bytes = b"") -> bytes:
    """A plain file of so many marked blocks of (time, text); the last block has no mark."""
    data, before = MAGIC, None
    for number, block in enumerate(blocks):
        start = len(data)
        data += b"".join(localformat.pack(1, time, text) for time, text in block)
        if number < len(blocks) - 1:
            known = localformat.measured(data[start:])
            at = len(data)
            data += localformat.mark(before, known)
            before = at
    return data + rest


def entries(data: bytes, blocks: list[Block]) -> list[tuple[int, bytes]]:
    return [
        (time, text)
        for block in blocks
        for kind, time, text, _ in localformat.records(data[block.start : block.end])
        if kind != MARK
    ]


_blocks = st.lists(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.binary(max_size=30)), min_size=1, max_size=5), max_size=5
)


@given(_blocks)
def test_blocks_are_found_from_the_end(blocks: list[list[tuple[int, bytes]]]) -> None:
    data = file_of(*blocks)
    found = localformat.blocks(partial(read_of, data), len(data))
    assert entries(data, found) == [entry for block in blocks for entry in block]
    for block, known in zip(blocks, found[:-1], strict=False):
        assert (known.count, known.earliest, known.latest) == (
            len(block), min(block)[0], max(time for time, _ in block),
        )  # fmt: skip


@given(_blocks, st.binary(min_size=1, max_size=40))
def test_a_torn_end_is_left_out(blocks: list[list[tuple[int, bytes]]], rest: bytes) -> None:
    data = file_of(*blocks, [(1, b"x" * 50)])
    torn = data[:-1] if not rest else data[: len(data) - min(len(rest), 50)]
    found = localformat.blocks(partial(read_of, torn), len(torn))
    assert entries(torn, found) == [entry for block in blocks for entry in block]


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_head(junk: bytes) -> None:
    data = MAGIC + junk
    for block in localformat.blocks(partial(read_of, data), len(data)):
        assert 0 <= block.start <= block.end <= len(data)


def test_what_has_no_head_is_broken() -> None:
    with pytest.raises(Broken):
        localformat.blocks(partial(read_of, b"rubbish!"), 8)
    for data in (b"", b"x" * 100, localformat.PACKED_MAGIC + b"x" * 100):
        with pytest.raises(Broken):
            localformat.packed_blocks(partial(read_of, data), len(data))


@given(_blocks)
def test_the_compressed_form_has_the_same_blocks(blocks: list[list[tuple[int, bytes]]]) -> None:
    data = file_of(*blocks)
    small = b"".join(localformat.packed(partial(read_of, data), len(data), b"0" * 16))
    index = localformat.packed_blocks(partial(read_of, small), len(small))
    plain = [localformat.unpacked(small[block.start : block.end], block.size) for block in index]
    found = [(time, text) for text_ in plain for _, time, text, _ in localformat.records(text_)]
    assert found == [entry for block in blocks for entry in block]
    assert sum(block.count for block in index) == len(found)


def test_a_damaged_block_is_broken() -> None:
    with pytest.raises(Broken):
        localformat.unpacked(b"rubbish", 10)


def test_blocks_outside_of_a_span_are_known() -> None:
    block = Block(0, 1, 3, 10, 20)
    assert [block.within(*span) for span in ((0, 0), (15, 0), (0, 15), (21, 0), (0, 9))] == [True] * 3 + [False] * 2
    assert Block(0, 1).within(5, 6)
