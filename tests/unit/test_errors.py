"""Failures by meaning: every kind is one a face can map, and its text is the whole message."""

from __future__ import annotations

import errno
import inspect

import pytest

from carrack import errors
from carrack.api.errors import status_of


def kinds() -> list[type[errors.CarrackError]]:
    found = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, errors.CarrackError)]
    return [kind for kind in found if kind is not errors.CarrackError]


def test_the_text_is_the_message() -> None:
    assert len(kinds()) == 9
    for kind in kinds():
        assert str(kind("no such thing: x")) == "no such thing: x"
        assert kind.__doc__


def test_every_kind_has_a_status_of_its_own() -> None:
    statuses = {kind: status_of(kind("x")) for kind in kinds()}
    assert statuses[errors.NotModified] == 304
    assert len(set(statuses.values())) == len(statuses)


def test_a_full_disk_is_told_in_words() -> None:
    helps = "no space left on device: remove containers, images or volumes to make room"
    assert errors.words(OSError(errno.ENOSPC, "No space left on device", "/srv/x")) == f"/srv/x: {helps}"
    assert errors.words(OSError(errno.ENOSPC, "No space left on device: /srv/y")) == f"/srv/y: {helps}"
    assert errors.words(OSError(errno.ENOSPC, "No space left on device")) == helps
    assert "/srv/x: disk quota exceeded" in errors.words(OSError(errno.EDQUOT, "Disk quota exceeded", "/srv/x"))
    assert errors.words(OSError(errno.EIO, "Input/output error", "/srv/x")) == "[Errno 5] Input/output error: '/srv/x'"
    assert errors.words(errors.NotFound("no such thing")) == "no such thing"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@h:1/r.git#b", "https://me:xxxxx@h:1/r.git#b"),
        ("'https://me:se@cret@h/x': no, see http://:secret@h", "'https://me:xxxxx@h/x': no, see http://:xxxxx@h"),
        ("HTTPS://token@h/r", "HTTPS://xxxxx@h/r"),
        ("ssh://git@h/r.git", "ssh://git@h/r.git"),
        ("https://h:80/a@b", "https://h:80/a@b"),
        ("https://h?x:y@z", "https://h?x:y@z"),
        ("git@h:r.git", "git@h:r.git"),
        ("docker-image://a/b:1@sha256:00", "docker-image://a/b:1@sha256:00"),
        ("oci-layout://a:1@sha256:00", "oci-layout://a:1@sha256:00"),
    ],
)
def test_addresses_are_shown_without_passwords(text: str, shown: str) -> None:
    assert errors.redacted(text) == shown
    assert errors.words(errors.InvalidArgument(text)) == shown
    assert errors.words(OSError(text)) == shown
