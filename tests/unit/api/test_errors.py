"""Failures by meaning become statuses and Docker's error document."""

from __future__ import annotations

import json
import logging

import pytest

from carrack import errors
from carrack.api.errors import STATUS, error_response, message_of, status_of


def test_every_meaning_has_a_status() -> None:
    kinds = {kind for kind in errors.CarrackError.__subclasses__() if kind.__module__ == errors.__name__}
    assert {kind for kind, _ in STATUS} == kinds


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (errors.NotFound("No such container: x"), 404, "No such container: x"),
        (errors.Conflict("busy"), 409, "busy"),
        (
            OSError(28, "No space left on device", "/data"),
            500,
            "/data: no space left on device: remove containers, images or volumes to make room",
        ),
        (KeyError("secret"), 500, "internal error (KeyError); the daemon's log has the details"),
    ],
)
def test_statuses_and_messages(error: Exception, status: int, message: str) -> None:
    answer = error_response(error, "GET /x")
    assert (status_of(error), message_of(error)) == (status, message)
    assert (answer.status, json.loads(answer.body)) == (status, {"message": message})


def test_not_modified_has_no_body() -> None:
    assert error_response(errors.NotModified("as it was"), "POST /x").body == b""


def test_what_nobody_foresaw_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        error_response(errors.NotFound("no"), "GET /a")
        assert not caplog.records
        error_response(KeyError("x"), "GET /b")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "GET /b" in record.getMessage()
