from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carrack.shim.logs.lines import LINE_LIMIT, Cutter


def test_lines_are_cut_at_newlines_each_stream_by_itself() -> None:
    cutter = Cutter()
    assert [m.line for m in cutter.feed(1, 5, b"one\ntw")] == [b"one"]
    assert [(m.line, m.source) for m in cutter.feed(2, 6, b"err\n\n")] == [(b"err", "stderr"), (b"", "stderr")]
    (two,) = cutter.feed(1, 7, b"o\nrest")
    assert (two.line, two.time, two.whole, two.part) == (b"two", 5, True, None)
    (rest,) = cutter.rest()
    assert rest.part is not None
    assert (rest.line, rest.whole, rest.part.ordinal, rest.part.last) == (b"rest", False, 1, False)


def test_a_long_line_comes_in_numbered_pieces_with_the_time_of_the_first() -> None:
    cutter = Cutter()
    found = cutter.feed(1, 5, b"x" * (LINE_LIMIT + 10)) + cutter.feed(1, 9, b"y" * LINE_LIMIT + b"\n")
    parts = [m.part for m in found]
    assert [len(m.line) for m in found] == [LINE_LIMIT, LINE_LIMIT, 10]
    assert [(p.ordinal, p.last) for p in parts if p] == [(1, False), (2, False), (3, True)]
    assert len({p.id for p in parts if p}) == 1
    assert {m.time for m in found} == {5}
    assert cutter.feed(1, 11, b"next\n")[0].part is None


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"x", b"\n")), max_size=20))
def test_nothing_is_lost(pieces: list[bytes]) -> None:
    cutter = Cutter()
    found = [m for piece in pieces for m in cutter.feed(1, 1, piece)] + cutter.rest()
    assert b"".join(m.line + (b"\n" if m.whole else b"") for m in found) == b"".join(pieces)


def test_memory_stays_flat() -> None:
    cutter = Cutter()
    for _ in range(100):
        assert all(len(m.line) <= LINE_LIMIT for m in cutter.feed(1, 1, b"z" * 60_000))
    assert len(cutter.rest()[0].line) < LINE_LIMIT
