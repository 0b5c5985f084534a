"""What the worker says of failures; tests/unit/storage/test_jobs.py runs it."""

from __future__ import annotations

import json

from carrack.errors import NotSupported
from carrack.storage.tarheader import TarError
from carrack.storage.worker import PACKET, describe


def test_errors_travel_by_meaning() -> None:
    assert describe(TarError("bad")) == {"error": "InvalidArgument", "message": "bad", "errno": None}
    assert describe(NotSupported("no"))["error"] == "NotSupported"
    assert describe(OSError(28, "No space left on device", "/x")) == {
        "error": "OSError",
        "message": "No space left on device: /x",
        "errno": 28,
    }
    assert describe(OSError("plain"))["message"] == "plain"
    long = TarError("\ud800" * 1_000_000)
    assert len(json.dumps(describe(long))) < PACKET
    assert describe(MemoryError())["error"] == "InvalidArgument"
