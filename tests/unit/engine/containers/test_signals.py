"""Signals as users write them: what dockerd 28.5 takes and refuses."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.engine.containers.signals import parse_signal
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9), ("64", 64), ("KILL", 9), ("SIGKILL", 9), ("sigcont", 18), ("Term", 15), ("CLD", 17), ("IOT", 6),
        ("POLL", 29), ("STKFLT", 16), ("RTMIN", 34), ("SIGRTMIN+3", 37), ("rtmin+15", 49), ("RTMAX", 64),
        ("RTMAX-14", 50),
    ],
)  # fmt: skip
def test_taken(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "foo", "0", "65", "-1", " 18", "18 ", "SIG18", "1_8", "١٨", "sigSIGCONT", "RTMIN+40", "RTMIN+", "RTMIN+1x",
     "RTMAX-31", "UNUSED", "_BLOCK", "SIG_DFL", "9" * 5000],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^(invalid signal: |the linux daemon does not support signal -?\d)"):
        parse_signal(text)


@given(st.text(max_size=12))
def test_a_number_of_the_kernel_or_a_refusal(text: str) -> None:
    try:
        assert 1 <= parse_signal(text) <= 64
    except InvalidArgument:
        pass


@given(st.sampled_from(sorted(signal.Signals)))
def test_every_name_and_number_is_known(known: signal.Signals) -> None:
    for text in (known.name, known.name.lower(), known.name.removeprefix("SIG"), str(int(known))):
        assert parse_signal(text) == known


@pytest.mark.parametrize("text", ["9" * 5000, "00000000912345" + "0" * 20, "+-5", "-", "+", "٩"])
def test_what_only_looks_like_a_number_is_no_signal(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid signal"):
        parse_signal(text)


@pytest.mark.parametrize(("text", "number"), [("9", 9), ("09", 9), ("+9", 9), ("000000000000009", 9)])
def test_numbers_as_go_reads_them(text: str, number: int) -> None:
    assert parse_signal(text) == number
