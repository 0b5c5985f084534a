"""What is decided before the kernel is asked; what the kernel then makes of it: tests/root/test_sublinks.py."""

import errno

import pytest

from carrack.errors import Conflict, InvalidArgument, NotSupported
from carrack.linux import rtnetlink, rtnetlink_kinds
from carrack.linux.netlink import Netlink
from carrack.network.ipam import Addresses
from carrack.network.plan import IPVLAN, MACVLAN
from carrack.network.sublink_options import SublinkSettings
from carrack.network.sublinks import Sublinks

MARK = "carrack t ab"


class Link:
    def __init__(self, index: int, alias: str = "", *, up: bool = True) -> None:
        self.index, self.alias, self.up = index, alias, up


class Host(Netlink):
    """Interfaces by name; what is made appears with our note, unless the kernel lacks its kind."""

    def __init__(self, patch: pytest.MonkeyPatch, *lacking: str, **links: Link) -> None:
        self.links, self.lacking, self.sent = links, lacking, list[str]()
        patch.setattr(rtnetlink, "find_link", lambda host, name: host.links.get(name))
        patch.setattr(rtnetlink_kinds, "knows", lambda host, kind: kind not in host.lacking)

    def batch(self, messages: object) -> None:
        assert isinstance(messages, list)
        for message in messages:
            verb, kind, *names = message.what.split()
            if verb == "create" and kind in self.lacking:
                raise OSError(errno.EOPNOTSUPP, "unknown")
            if verb == "create":
                self.links[names[0]] = Link(9, MARK)
            self.sent.append(message.what)


def wire(parent: str = "eth0", mode: str = "bridge", kind: str = MACVLAN, **more: object) -> Sublinks:
    return Sublinks(SublinkSettings(kind, parent, mode, **more), MARK)  # type: ignore[arg-type]


def test_a_parent_of_others_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    host, one = Host(monkeypatch, eth0=Link(3)), wire()
    one.lay(host)
    one.open()
    one.retire(host)
    assert (one.index, one.followed, one.restore(host), host.sent) == (3, 0, "", [])


def test_a_vlans_parent_is_made_marked_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    host, one = Host(monkeypatch, eth0=Link(3)), wire("eth0.10", base="eth0", vlan=10)
    one.lay(host)
    assert (one.index, one.followed) == (9, 9)
    assert host.sent == ["create vlan eth0.10", "mark interface eth0.10", "change interface 9"]
    del host.links["eth0.10"]
    assert one.restore(host).startswith("deleted")
    host.links["eth0.10"] = Link(9, MARK)
    one.retire(host)
    assert host.sent[-1] == "change interface gone9"


def test_without_a_parent_a_dummy_is_made_or_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    host, one = Host(monkeypatch), wire("dm-1", hollow=True)
    one.lay(host)
    assert host.sent[0] == "create dummy dm-1"
    poor = Host(monkeypatch, "dummy")
    wire("dm-1", hollow=True).lay(poor)
    assert poor.sent == ["create veth dm-1", "mark interface dm-1", "change interface 9"]


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, "ipvlan", "vlan", eth0=Link(3))
    with pytest.raises(NotSupported, match="this kernel has no ipvlan"):
        wire(kind=IPVLAN, mode="l2").lay(host)
    with pytest.raises(NotSupported, match=r"no VLANs \(8021q\): parent interface eth0.10"):
        wire("eth0.10", base="eth0", vlan=10).lay(host)
    with pytest.raises(InvalidArgument, match="parent interface was not found on the host: eth7"):
        wire("eth7.10", base="eth7", vlan=10).lay(host)
    with pytest.raises(InvalidArgument, match="not found on the host: eth8"):
        wire("eth8").lay(host)


def test_who_can_share_a_parent() -> None:
    wire().check([wire(), wire(mode="vepa"), wire("eth1", "passthru")])
    with pytest.raises(Conflict, match="cannot use mode passthru"):
        wire(mode="passthru").check([wire()])
    with pytest.raises(Conflict, match="cannot use mode bridge, another macvlan network"):
        wire().check([wire(mode="passthru")])
    ipvlan = wire(kind=IPVLAN, mode="l2")
    ipvlan.check([wire(kind=IPVLAN, mode="l2")])
    with pytest.raises(Conflict, match="already using parent interface eth0"):
        ipvlan.check([wire(kind=IPVLAN, mode="l3")])
    with pytest.raises(Conflict, match="already using parent interface eth0"):
        ipvlan.check([wire()])


def test_what_dies_with_its_sandbox_needs_no_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    wire().pull(host, "c1", Addresses("10.9.0.2"), None)
    assert host.sent == []
