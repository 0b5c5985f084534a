"""``--gpus`` in the words of docker's command, recorded from it."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.cli.gpus import parse_gpus
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", {"Count": -1}),
        ("3", {"Count": 3}),
        ("driver=nvidia", {"Count": 1, "Driver": "nvidia"}),
        ("device=0", {"DeviceIDs": ["0"]}),
        ('"device=0,1",driver=x', {"DeviceIDs": ["0", "1"], "Driver": "x"}),
        ('all,"capabilities=compute,utility"', {"Count": -1, "Capabilities": [["compute", "utility", "gpu"]]}),
        ('count=2,"options=a=b,c=d"', {"Count": 2, "Options": {"a": "b", "c": "d"}}),
        ("options=a", {"Count": 1, "Options": {"a": ""}}),
    ],
)
def test_requests(text: str, expected: dict[str, Any]) -> None:
    usual = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    assert parse_gpus(text) == {**usual, **expected}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("foo", 'invalid count (foo): value must be either "all" or an integer: invalid syntax'),
        ("device=0,bad", 'invalid count (bad): value must be either "all" or an integer: invalid syntax'),
        ("bogus=1", "unexpected key 'bogus' in 'bogus=1'"),
        ("device=0,device=1", "gpu request key 'device' can be specified only once"),
        ("all,all", "gpu request key 'all' can be specified only once"),
        ("", "EOF"),
        ('"device=0', 'parse error on line 1, column 10: extraneous or missing " in quoted-field'),
    ],
)
def test_refusals(text: str, told: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        parse_gpus(text)
    assert str(failure.value) == told
