"""Failures by meaning: every kind is one a face can map, and its text is the whole message."""

from __future__ import annotations

import inspect

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
