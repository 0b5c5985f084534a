"""Slips of the keyboard."""

import pytest

from carrack.dockerfile.suggest import nearest


@pytest.mark.parametrize(
    ("word", "meant"),
    [("COPPY", "COPY"), ("FOO", "FROM"), ("RNU", "RUN"), ("EXPOSED", "EXPOSE"), ("BANANA", ""), ("", "")],
)
def test_nearest(word: str, meant: str) -> None:
    assert nearest(word, ("COPY", "EXPOSE", "FROM", "RUN")) == meant
