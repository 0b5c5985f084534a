"""The daemon's log lines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from carrack.daemon import logs


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_text_lines_cannot_be_forged_by_what_a_client_sent(output: io.StringIO) -> None:
    logs.set_up("info", "text", output)
    logging.getLogger("carrack.api").warning("refused %s", "a\nb 2026-01-01 error: forged")
    logging.getLogger("carrack.api").debug("not told")
    (line,) = output.getvalue().splitlines()
    assert line.endswith("warn  api: refused a\\nb 2026-01-01 error: forged")


def test_json_lines_carry_the_trace(output: io.StringIO) -> None:
    logs.set_up("debug", "json", output)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("carrack.x").exception("what")
    fields = json.loads(output.getvalue())
    assert (fields["level"], fields["logger"], fields["msg"]) == ("error", "carrack.x", "what")
    assert "ValueError: why" in fields["trace"]
    assert fields["time"].endswith("Z")


def test_what_clients_send_wrong_leaves_no_traces() -> None:
    stream = io.StringIO()
    logs.set_up("info", "text", stream)
    logging.getLogger("aiohttp.server").error("Error handling request")
    logging.getLogger("grpclib.server").info("Request was cancelled: Connection lost")
    assert stream.getvalue() == ""
    logs.set_up("debug", "text", stream)
    logging.getLogger("aiohttp.server").error("Error handling request")
    assert "Error handling request" in stream.getvalue()
