"""The command line's grammar."""

from __future__ import annotations

import pytest

from carrack.daemon.flags import parse, usage
from carrack.daemon.options import OPTIONS
from carrack.errors import InvalidArgument


def test_the_forms_a_flag_may_take() -> None:
    settings, commands = parse(["-DH", "a", "-Hb", "-H=c", "--host=d", "--host", "e", "-l", "warn", "--live-restore=f"])
    assert settings == {"debug": True, "hosts": ["a", "b", "c", "d", "e"], "log-level": "warn", "live-restore": False}
    assert commands == {}
    assert parse(["-v", "--config-file=/x"])[1] == {"version": True, "config-file": "/x"}
    assert parse(["-D=false"])[0] == {"debug": False}
    assert parse(["--bip="])[0] == {"bip": ""}


def test_the_last_of_a_single_flag_wins() -> None:
    assert parse(["--mtu", "1400", "--mtu", "1300"])[0] == {"mtu": 1300}


def test_pools() -> None:
    assert parse(["--default-address-pool", "size=24,base=10.0.0.0/8"])[0] == {
        "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]
    }


@pytest.mark.parametrize("word", ["-", "--", "x", "-Z", "--no-such", "--=x"])
def test_refused(word: str) -> None:
    with pytest.raises(InvalidArgument):
        parse([word])


def test_usage_names_every_option() -> None:
    text = usage()
    assert all(f"--{option.flag}" in text for option in OPTIONS)
    assert max(map(len, text.splitlines())) < 130
