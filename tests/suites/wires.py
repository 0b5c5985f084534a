"""What every `Wire` keeps, in the kernel: two sandboxes hang on it, one leaves, somebody meddles, it goes."""

from __future__ import annotations

from collections.abc import Callable

from tests.root.netns import Namespace, ask, echo

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network import graves
from carrack.network.endpoint import Endpoint
from carrack.network.ipam import Addresses
from carrack.network.sandbox import Sandbox
from carrack.network.wire import Wire

ONE, TWO = Addresses("10.236.0.2"), Addresses("10.236.0.3")


def check_wire(make: Callable[[], Wire], name: str) -> None:
    """``make`` gives a wire whose interface on the host, its own, is called ``name``."""
    with Netlink() as host, Namespace() as one, Namespace() as two, echo(two, 80):
        wire = make()
        assert (wire.index, wire.followed) == (0, 0)
        wire.check([])
        wire.lay(host)
        wire.open()
        assert wire.index == wire.followed == _index(host, name)
        for container, inside, own in (("one", one, ONE), ("two", two, TWO)):
            endpoint = Endpoint((f"{own.four}/24",), (), f"02:00:00:00:00:0{own.four[-1]}", 1500, "lan0")
            wire.plug(host, Sandbox(inside.fd, inside.netlink_fd), container, endpoint, None)
        assert one.run(lambda: ask(TWO.four, 80)) == ONE.four
        assert wire.restore(host) == ""
        wire.replug(host)
        wire.lay(host)
        assert wire.index == _index(host, name), "what is there is kept"
        assert one.run(lambda: ask(TWO.four, 80)) == ONE.four
        wire.pull(host, "one", ONE, Sandbox(one.fd, one.netlink_fd))
        with one.netlink() as inner:
            assert rtnetlink.find_link(inner, "lan0") is None
        wire.pull(host, "two", TWO, None)
        with two.netlink() as inner:
            assert rtnetlink.find_link(inner, "lan0") is not None, "it goes with its sandbox"
        host.batch([rtnetlink.delete_link(wire.index)])
        assert wire.restore(host).startswith("deleted")
        assert wire.index == _index(host, name) != 0
        again = make()
        again.lay(host)
        assert again.followed == wire.index, "another daemon knows its own"
        for _ in range(2):
            wire.retire(host)
            graves.delete(host)
            assert _index(host, name) == 0


def _index(host: Netlink, name: str) -> int:
    link = rtnetlink.find_link(host, name)
    return link.index if link is not None else 0
