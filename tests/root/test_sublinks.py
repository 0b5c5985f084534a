"""Networks on an interface of the host: macvlan, ipvlan, VLANs, as far as this kernel has them.

The host of these tests is a namespace of their own, whose ``lan0`` is cabled to a neighbour.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable

import pytest
from tests.root.netns import PATIENCE, Namespace, ask, cable, echo, own_network
from tests.root.test_fabric import FRONT, box, join, shown, way_out
from tests.suites.wires import check_wire

from carrack.errors import CarrackError, Conflict, NotSupported
from carrack.linux import rtnetlink, rtnetlink_kinds
from carrack.linux.netlink import Netlink
from carrack.network.fabric import Fabric
from carrack.network.plan import IPVLAN, MACVLAN, EndpointPlan, Existing, NetworkPlan, Subnet
from carrack.network.sublink_options import SublinkSettings
from carrack.network.sublinks import Sublinks

pytestmark = pytest.mark.root

TABLE = f"crk-sub-{os.getpid()}"
NEIGHBOUR, HOST = "10.232.0.250", "10.232.0.251"


def kernel_has(kind: str) -> bool:
    with Netlink() as netlink:
        return rtnetlink_kinds.knows(netlink, kind)


HAS_MACVLAN, HAS_IPVLAN, HAS_VLAN = kernel_has("macvlan"), kernel_has("ipvlan"), kernel_has("vlan")
needs_macvlan = pytest.mark.skipif(not HAS_MACVLAN, reason="this kernel has no macvlan")
needs_ipvlan = pytest.mark.skipif(not HAS_IPVLAN, reason="this kernel has no ipvlan")


def lan(driver: str = MACVLAN, *, internal: bool = False, name: str = "lan", **options: str) -> NetworkPlan:
    subnet = Subnet("10.232.0.0/24", NEIGHBOUR, reserved={"host": HOST})
    return NetworkPlan(name.encode().hex().ljust(64, "0"), name, driver, (subnet,), internal, options)


def on_a_lan(scene: Callable[[Fabric, Namespace], Awaitable[None]], *plans: NetworkPlan) -> None:
    """Play with a fabric whose host has ``lan0``, behind which a neighbour answers on port 80."""

    async def play() -> None:
        with Namespace() as neighbour, echo(neighbour, 80):
            cable(neighbour, "lan0", f"{HOST}/24", f"{NEIGHBOUR}/24")
            fabric = Fabric(table=TABLE)
            await fabric.setup([FRONT])
            try:
                for plan in plans:
                    await fabric.create(plan)
                await scene(fabric, neighbour)
            finally:
                await fabric.teardown()

    asyncio.run(play())


def reaches(inside: Namespace, address: str, timeout: float = PATIENCE) -> str | None:
    return inside.run(lambda: ask(address, 80, timeout=timeout))


@needs_macvlan
@own_network
def test_interfaces_on_a_parent_are_a_wire() -> None:
    settings = SublinkSettings(MACVLAN, "dm-test", "bridge", hollow=True)
    check_wire(lambda: Sublinks(settings, "carrack test ab"), "dm-test")


@needs_macvlan
@own_network
@pytest.mark.census("network macvlan")
@pytest.mark.parametrize(("mode", "each_other"), [("bridge", True), ("private", False), ("vepa", False)])
def test_macvlan_joins_the_hosts_network(mode: str, each_other: bool) -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        with Namespace() as one, Namespace() as two, echo(two, 80):
            wanted = EndpointPlan(mac="02:00:00:00:00:09")
            found = await join(fabric, "one", one, plan, wanted)
            assert (found["IPAddress"], found["MacAddress"]) == ("10.232.0.1", "02:00:00:00:00:09")
            await join(fabric, "two", two, plan)
            assert reaches(one, NEIGHBOUR) == "10.232.0.1", "seen by its own address"
            assert reaches(neighbour, "10.232.0.2") == NEIGHBOUR
            assert (reaches(one, "10.232.0.2", 0.3) is not None) == each_other
            assert ask("10.232.0.2", 80, timeout=0.3) is None, "the host is kept apart by the kernel"
            assert way_out(one) == f"{NEIGHBOUR} eth0"
            assert "macvlan mode " + mode in shown(one, "-d", "link", "show", "eth0")
            await fabric.disconnect("two", plan.id, sandbox=box(two))
            assert "eth0" not in shown(two, "-o", "link")

    plan = lan(parent="lan0", macvlan_mode=mode)
    on_a_lan(scene, plan)


@needs_macvlan
@own_network
def test_a_parent_is_passed_through_to_one_container_only() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        with Namespace() as one, Namespace() as two:
            await join(fabric, "one", one, plan)
            assert reaches(one, NEIGHBOUR) == "10.232.0.1"
            with pytest.raises(Conflict, match="takes no macvlan of mode passthru"):
                await join(fabric, "two", two, plan)
            assert "eth0" not in shown(two, "-o", "link")
        with pytest.raises(Conflict, match="cannot use mode"):
            await fabric.create(lan(name="second", parent="lan0"))

    plan = lan(parent="lan0", macvlan_mode="passthru")
    on_a_lan(scene, plan)


@needs_macvlan
@own_network
@pytest.mark.parametrize("options", [{}, {"parent": "lan0"}], ids=["no parent", "internal"])
def test_without_a_parent_containers_have_only_each_other(options: dict[str, str]) -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        name = f"dm-{plan.id[:12]}"
        with Namespace() as one, Namespace() as two, echo(two, 80), Netlink() as host:
            assert rtnetlink.find_link(host, name) is not None
            found = await join(fabric, "one", one, plan)
            await join(fabric, "two", two, plan)
            assert (found["Gateway"], way_out(one)) == ("", "")
            assert reaches(one, "10.232.0.2") == "10.232.0.1"
            assert reaches(one, NEIGHBOUR, 0.3) is None
            await fabric.disconnect("one")
            await fabric.disconnect("two")
            await fabric.remove(plan.id)
            assert rtnetlink.find_link(host, name) is None

    plan = lan(internal=bool(options), **options)
    on_a_lan(scene, plan)


@needs_macvlan
@own_network
def test_beside_a_bridge_the_way_out_moves() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        with Namespace() as one:
            await join(fabric, "one", one, FRONT)
            await join(fabric, "one", one, plan, EndpointPlan(priority=1))
            assert way_out(one) == f"{NEIGHBOUR} eth1"
            assert fabric.gateway("one") == (plan.id, "")
            await fabric.disconnect("one", plan.id, sandbox=box(one))
            assert way_out(one) == "10.231.1.1 eth0"

    plan = lan(parent="lan0")
    on_a_lan(scene, plan)


@needs_macvlan
@own_network
def test_a_cable_parked_for_nothing_goes() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        with Namespace() as one:
            veth = await fabric.park(one.fd)
            await fabric.connect("one", one.fd, one.netlink_fd, plan.id, EndpointPlan(), veth)
            assert "macvlan" in shown(one, "-d", "link", "show", "eth0")
            assert reaches(one, NEIGHBOUR) == "10.232.0.1"

    plan = lan(parent="lan0")
    on_a_lan(scene, plan)


@needs_macvlan
@own_network
def test_a_parent_that_is_not_there_is_refused_and_leaves_nothing() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        for plan in (lan(parent="lan7"), lan(parent="lan7.10")):
            with pytest.raises(CarrackError, match="parent interface was not found on the host: lan7"):
                await fabric.create(plan)
        await fabric.remove(lan().id)

    on_a_lan(scene)


@own_network
def test_vlans_as_far_as_the_kernel_has_them() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        plan = lan(parent="lan0.10")
        if not HAS_VLAN:
            with pytest.raises(NotSupported, match=r"this kernel has no VLANs \(8021q\): parent interface lan0.10"):
                await fabric.create(plan)
            return
        await fabric.create(plan)
        with neighbour.netlink() as inner, Namespace() as one:
            uplink = rtnetlink.find_link(inner, "eth0")
            assert uplink is not None
            inner.batch([rtnetlink_kinds.add_vlan("eth0.10", uplink.index, 10)])
            tagged = rtnetlink.find_link(inner, "eth0.10")
            assert tagged is not None
            inner.batch([rtnetlink.delete_address(uplink.index, f"{NEIGHBOUR}/24")])
            inner.batch([rtnetlink.set_link(tagged.index, up=True)])
            inner.batch([rtnetlink.add_address(tagged.index, f"{NEIGHBOUR}/24")])
            await join(fabric, "one", one, plan)
            assert reaches(one, NEIGHBOUR) == "10.232.0.1"
            await fabric.disconnect("one")
        await fabric.remove(plan.id)
        with Netlink() as host:
            assert rtnetlink.find_link(host, "lan0.10") is None
            assert rtnetlink.find_link(host, "lan0") is not None

    on_a_lan(scene)


@own_network
def test_a_kernel_without_ipvlan_says_so() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        if HAS_IPVLAN:
            await fabric.create(lan(IPVLAN, parent="lan0"))
            return
        with pytest.raises(NotSupported, match="this kernel has no ipvlan: use another driver"):
            await fabric.create(lan(IPVLAN, parent="lan0"))

    on_a_lan(scene)


@needs_ipvlan
@own_network
@pytest.mark.census("network ipvlan")
@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_ipvlan_shares_the_parents_mac_address(mode: str) -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        with Namespace() as one, Namespace() as two, echo(two, 80), Netlink() as host:
            lan0 = rtnetlink.find_link(host, "lan0")
            assert lan0 is not None
            found = await join(fabric, "one", one, plan)
            await join(fabric, "two", two, plan)
            with one.netlink() as inner:
                link = rtnetlink.find_link(inner, "eth0")
                assert link is not None
                assert link.address == lan0.address
            assert reaches(one, "10.232.0.2") == "10.232.0.1"
            assert f"ipvlan mode {mode} " in " ".join(shown(one, "-d", "link", "show", "eth0").split())
            if mode == "l2":
                assert (found["Gateway"], way_out(one)) == (NEIGHBOUR, f"{NEIGHBOUR} eth0")
                assert reaches(one, NEIGHBOUR) == "10.232.0.1"
            else:
                assert found["Gateway"] == ""
                assert shown(one, "route", "show", "default").split()[:3] == ["default", "dev", "eth0"]
            with pytest.raises(CarrackError, match="do not support custom mac"):
                await join(fabric, "three", two, plan, EndpointPlan(mac="02:00:00:00:00:09"))
            await fabric.disconnect("two", plan.id, sandbox=box(two))
            assert "eth0" not in shown(two, "-o", "link")

    plan = lan(IPVLAN, parent="lan0", ipvlan_mode=mode)
    on_a_lan(scene, plan)


@needs_ipvlan
@own_network
def test_private_ipvlans_do_not_see_each_other() -> None:
    async def scene(fabric: Fabric, neighbour: Namespace) -> None:
        with Namespace() as one, Namespace() as two, echo(two, 80):
            await join(fabric, "one", one, plan)
            await join(fabric, "two", two, plan)
            assert reaches(one, "10.232.0.2", 0.3) is None
            assert reaches(one, NEIGHBOUR) == "10.232.0.1"

    plan = lan(IPVLAN, parent="lan0", ipvlan_flag="private")
    on_a_lan(scene, plan)


@needs_macvlan
@own_network
def test_a_joining_that_was_never_recorded_is_undone_by_the_next_daemon() -> None:
    async def first(one: Namespace) -> Existing:
        fabric = Fabric(table=TABLE)
        await fabric.setup([FRONT, plan])
        found = await join(fabric, "one", one, FRONT)
        await join(fabric, "one", one, plan, EndpointPlan(priority=1))
        assert way_out(one) == f"{NEIGHBOUR} eth1"
        await fabric.close()
        return Existing({FRONT.id: found}, {}, process.pid)

    async def second(past: Existing) -> None:
        fabric = Fabric(table=TABLE)
        await fabric.setup([FRONT, plan], {"one": past})
        await fabric.teardown()

    plan = lan(parent="lan0")
    with Namespace() as neighbour, Namespace() as one:
        cable(neighbour, "lan0", f"{HOST}/24", f"{NEIGHBOUR}/24")
        process = one.run(lambda: subprocess.Popen(["cat"], stdin=subprocess.PIPE))
        try:
            asyncio.run(second(asyncio.run(first(one))))
            assert "eth1" not in shown(one, "-o", "link")
            assert way_out(one) == "10.231.1.1 eth0"
        finally:
            process.communicate()


@needs_macvlan
@own_network
def test_what_a_crash_left_of_networks_never_recorded_is_removed_and_nothing_else() -> None:
    async def first() -> None:
        fabric = Fabric(table=TABLE)
        await fabric.setup([FRONT])
        await fabric.create(lan())
        await fabric.close()

    async def second() -> None:
        fabric = Fabric(table=TABLE)
        await fabric.setup([FRONT])
        await fabric.teardown()

    with Netlink() as host:
        host.batch([rtnetlink.add_bridge("br-000000000000", 1500, "02:42:00:00:00:09")])
        host.batch([rtnetlink.add_bridge("dm-other", 1500, "02:42:00:00:00:09")])
        host.batch([rtnetlink_kinds.mark("dm-other", f"carrack other {'a' * 64}")])
        asyncio.run(first())
        assert rtnetlink.find_link(host, f"dm-{lan().id[:12]}") is not None
        asyncio.run(second())
        names = {link.name for link in rtnetlink.links(host)}
        assert {"br-000000000000", "dm-other"} <= names
        assert f"dm-{lan().id[:12]}" not in names
