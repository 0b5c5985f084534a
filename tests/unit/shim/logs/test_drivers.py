from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.shim.logs import drivers
from carrack.shim.logs.task import Task

OPTIONS = {
    "gelf": {"gelf-address": "udp://h:1"},
    "splunk": {"splunk-token": "t", "splunk-url": "http://h:1"},
}


@pytest.mark.parametrize("name", drivers.REMOTE)
def test_every_driver_is_made_and_knows_its_options(name: str) -> None:
    options = OPTIONS.get(name, {})
    drivers.check(name, {**options, "tag": "t", "labels": "a", "env": "b"})
    with pytest.raises(InvalidArgument, match="unknown log opt"):
        drivers.check(name, {**options, "no-such": "x"})
    made = drivers.make(Task({"driver": name, "options": options}))
    assert type(made).__name__.lower() == name
    made.close()
