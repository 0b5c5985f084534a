"""Multiplexed streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.http.stdcopy import STDERR, STDOUT, FrameError, FrameReader, frame

FRAMES = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=50)), max_size=6)


@settings(max_examples=100, deadline=None)
@given(FRAMES, st.integers(1, 20))
def test_frames_come_back_however_they_are_cut(frames: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    reader = FrameReader()
    found = [pair for start in range(0, len(data), step) for pair in reader.feed(data[start : start + step])]
    assert found == frames
    assert reader.partial == 0


def test_the_head_is_docker_s() -> None:
    assert frame(STDERR, b"abc") == b"\x02\x00\x00\x00\x00\x00\x00\x03abc"


@pytest.mark.parametrize(
    "noise", [b"plain text output", b"\x01\x01\x00\x00\x00\x00\x00\x01a", b"\x01\0\0\0\xff\xff\xff\xff"]
)
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(FrameError, match="not a multiplexed stream"):
        list(FrameReader().feed(noise))


def test_a_torn_frame_is_held() -> None:
    reader = FrameReader()
    assert list(reader.feed(frame(STDOUT, b"hello")[:-1])) == []
    assert reader.partial == 12
