"""Digests become file names: only exact ones may pass."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.oci import digest

GOOD = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid checksum digest format"),
        ("sha256:", "invalid checksum digest format"),
        ("a" * 64, "invalid checksum digest format"),
        ("sha256:" + "A" * 64, "invalid checksum digest format"),
        ("sha256:" + "g" * 64, "invalid checksum digest format"),
        ("sha256:" + "a" * 63, "invalid checksum digest length"),
        ("sha256:../../x", "invalid checksum digest length"),
        ("sha256:" + "../" * 21 + "x", "invalid checksum digest format"),
        ("md5:" + "a" * 32, "unsupported digest algorithm"),
        ("SHA256:" + "a" * 64, "unsupported digest algorithm"),
        (GOOD + "\n", "invalid checksum digest length"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    assert digest.problem(text) == reason
    with pytest.raises(InvalidArgument, match=reason):
        digest.validate(text)


def test_parts() -> None:
    assert digest.validate(GOOD) == GOOD
    assert digest.encoded(GOOD) == "a" * 64
    assert digest.algorithm(GOOD) == "sha256"
    assert digest.short(GOOD) == "a" * 12
    assert digest.is_digest("sha512:" + "0" * 128)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_of_is_valid(data: bytes) -> None:
    made = digest.of(data)
    assert digest.is_digest(made)
    assert digest.encoded(made) == hashlib.sha256(data).hexdigest()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_whatever_passes_is_a_plain_name(text: str) -> None:
    if digest.is_digest("sha256:" + text):
        assert digest.is_hex(text)
        assert len(text) == 64
