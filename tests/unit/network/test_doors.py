from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.nftables import FakeNftables

from carrack.errors import NotSupported, Unavailable
from carrack.linux.nft_expressions import IPV6
from carrack.linux.nft_messages import delete_table
from carrack.network.bridge import BridgeSettings
from carrack.network.doors import DoorBook, Doors
from carrack.network.firewall import Firewall
from carrack.network.mappings import Passage

APART = BridgeSettings("br0", "172.30.0.1/24", address6="fd00:30::1/64", isolated=True)
WEB = Passage("172.30.0.2", "172.30.0.3", "tcp", 5432)
WEB6 = Passage("fd00:30::2", "fd00:30::3", "udp", 53)


def test_a_passage_goes_with_either_end() -> None:
    book = DoorBook()
    book.keep("web", [WEB, WEB, WEB6])
    other = Passage("172.30.0.4", "172.30.0.3", "tcp", 80)
    book.keep("site", [other])
    assert sorted(book.every()) == sorted([WEB, WEB6, other])
    assert book.without(["172.30.0.9"]) == []
    assert book.without(["172.30.0.3"]) == [("web", (WEB6,)), ("site", ())]
    assert book.without(["172.30.0.2", "fd00:30::2"]) == [("web", ())]
    book.keep("web", ())
    assert book.of("web") == ()


def test_doors_are_opened_in_the_kernel_and_closed(tmp_path: Path) -> None:
    kernel = FakeNftables()
    firewall = Firewall(kernel, "t")
    firewall.install([APART])

    async def scene() -> None:
        async def run(work: object) -> None:
            assert callable(work)
            work(firewall)

        switch = tmp_path / "net/bridge"
        doors = Doors(run, str(tmp_path))
        with pytest.raises(NotSupported, match="lacks br_netfilter"):
            await doors.let_through("web", [WEB])
        await doors.let_through("web", [])
        switch.mkdir(parents=True)
        (switch / "bridge-nf-call-iptables").write_text("0")
        await doors.let_through("web", [WEB, WEB6])
        assert (len(kernel.elements("t", "linked")), len(kernel.elements("t", "linked", IPV6))) == (1, 1)
        firewall.install([APART])
        assert len(kernel.elements("t", "linked")) == 1
        await doors.let_through("web", [WEB6])
        assert kernel.elements("t", "linked") == {}

    asyncio.run(scene())


def test_doors_are_opened_behind_tables_that_were_just_taken_away() -> None:
    kernel = FakeNftables()
    firewall = Firewall(kernel, "t")
    firewall.install([APART])
    firewall.let_through("web", [WEB])
    kernel.commit([delete_table("t")])
    firewall.let_through("web", [replace(WEB, port=80)])
    assert len(kernel.elements("t", "linked")) == 1
    assert firewall.missing() == ""


def test_doors_that_do_not_stay_open_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeNftables()
    firewall = Firewall(kernel, "t")
    firewall.install([APART])
    monkeypatch.setattr(kernel, "lacks", lambda *_: [b""])
    with pytest.raises(Unavailable, match=r"1 entries of linked .* of web vanished .*not linked"):
        firewall.let_through("web", [WEB])
    assert firewall.doors.of("web") == ()
    assert kernel.elements("t", "linked") == {}
