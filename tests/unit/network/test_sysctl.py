from pathlib import Path

import pytest

from carrack.network import sysctl


def test_writes_only_when_needed(tmp_path: Path) -> None:
    switch = tmp_path / sysctl.IP_FORWARD
    switch.parent.mkdir(parents=True)
    switch.write_text("0\n")
    assert sysctl.ensure(str(tmp_path), sysctl.IP_FORWARD, "1")
    assert sysctl.read(str(tmp_path), sysctl.IP_FORWARD) == "1"
    before = switch.stat().st_mtime_ns
    assert not sysctl.ensure(str(tmp_path), sysctl.IP_FORWARD, "1")
    assert switch.stat().st_mtime_ns == before


def test_a_missing_switch_reads_as_none_and_fails_to_be_set(tmp_path: Path) -> None:
    assert sysctl.read(str(tmp_path), "net/none") is None
    with pytest.raises(FileNotFoundError, match="net/none"):
        sysctl.ensure(str(tmp_path), "net/none", "1")


def test_names(tmp_path: Path) -> None:
    assert sysctl.route_localnet("br0") == "net/ipv4/conf/br0/route_localnet"
    assert sysctl.disable_ipv6("br0") == "net/ipv6/conf/br0/disable_ipv6"
    assert not sysctl.has_ipv6(str(tmp_path))
