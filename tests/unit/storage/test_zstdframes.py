from __future__ import annotations

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.storage.zstdframes import FrameWalker


@settings(max_examples=40)
@given(
    st.lists(st.binary(max_size=600), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.integers(1, 50),
    st.integers(1, 10_000),
)
def test_complete_exactly_at_ends_of_frames(
    parts: list[bytes], checksum: bool, size_in_header: bool, step: int, cut: int
) -> None:
    frames = []
    for part in parts:
        packer = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=size_in_header)
        frames.append(packer.compress(part * 3))
    ends = {sum(len(frame) for frame in frames[:count]) for count in range(len(frames) + 1)}
    stream = b"".join(frames)
    cut %= len(stream) + 1
    walker = FrameWalker()
    for start in range(0, cut, step):
        walker.feed(stream[start : min(start + step, cut)])
    assert walker.complete == (cut in ends)


def test_what_is_no_frame_is_never_complete() -> None:
    walker = FrameWalker()
    assert walker.complete
    walker.feed(b"garbage, and more of it")
    assert not walker.complete
    walker.feed(zstandard.compress(b"x"))
    assert not walker.complete
