"""What ``--network`` and its kin become."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.cli.container_flags import CREATE_FLAGS
from carrack.cli.container_networks import endpoints
from carrack.cli.flags import parse
from carrack.errors import InvalidArgument


def made(*words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    host: dict[str, Any] = {}
    return endpoints(parse(CREATE_FLAGS, list(words)), host), host


def test_the_first_is_the_mode() -> None:
    assert made("--network", "front") == ({}, {"NetworkMode": "front"})
    assert made("--network", "front", "--network", "back") == ({"front": {}, "back": {}}, {"NetworkMode": "front"})


def test_settings_belong_to_the_first() -> None:
    found, _ = made("--network", "front", "--network-alias", "web", "--mac-address", "02-00-00-00-00-01")
    assert found == {"front": {"Aliases": ["web"], "MacAddress": "02-00-00-00-00-01"}}
    assert made("--ip", "10.0.0.4")[0] == {"default": {"IPAMConfig": {"IPv4Address": "10.0.0.4"}}}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--network-alias", "web"], "network-scoped aliases are only supported for user-defined networks"),
        (["--network", "container:x", "--network-alias", "web"], "network-scoped aliases"),
        (["--mac-address", "nonsense"], "nonsense is not a valid mac address"),
        (["--network", "alias=x"], "network name/id is not specified"),
        (["--network", "name=x,colour=red"], "invalid field key colour"),
    ],
)
def test_refusals(words: list[str], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        made(*words)
