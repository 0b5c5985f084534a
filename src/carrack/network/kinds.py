"""From a network's plan to the wire that its driver stands for, and what the driver means for addresses."""

from dataclasses import dataclass

from carrack.errors import NotFound
from carrack.network import bridge_options, sublink_options, sysctl
from carrack.network.bridge import ISOLATED, BridgeSettings
from carrack.network.cabling import Cabling
from carrack.network.ipam import Addresses
from carrack.network.marks import mark_of
from carrack.network.plan import BRIDGE, IPVLAN, MACVLAN, NetworkPlan
from carrack.network.sublink_options import ON_LINK4, ON_LINK6
from carrack.network.sublinks import Sublinks
from carrack.network.wire import Wire


@dataclass(frozen=True, slots=True)
class Kind:
    """``bridge`` is what the firewall's rules are made of, None where it has no say; ``mtu`` 0 is the parent's.

    ``leads4`` and ``leads6``: whether the gateways of the plan lead outside. ``on_link``: everything is sent into the
    interface instead. ``own_mac``: whether a container's interface has a MAC address of its own.
    """

    wire: Wire
    bridge: BridgeSettings | None
    mtu: int
    interface_prefix: str
    leads4: bool
    leads6: bool
    on_link: bool = False
    own_mac: bool = True

    def way_out(self, addresses: Addresses, gateways: Addresses) -> Addresses:
        """Where a container leaves by that has these addresses, which these gateways go with."""
        if self.on_link:
            gateways = Addresses(ON_LINK4 if addresses.four else "", ON_LINK6 if addresses.six else "")
        return Addresses(gateways.four if self.leads4 else "", gateways.six if self.leads6 else "")


def kind_of(plan: NetworkPlan, table: str = "carrack", sys_root: str = sysctl.PROC_SYS) -> Kind:
    """The kind of a network; ``table`` names the daemon it belongs to. InvalidArgument and Forbidden for bad options,
    NotFound for a driver that there is not."""
    mark = mark_of(table, plan.id)
    if plan.driver == BRIDGE:
        settings = bridge_options.settings_of(plan)
        leads4, leads6 = (m != ISOLATED and not plan.internal for m in (settings.gateway_mode4, settings.gateway_mode6))
        wire = Cabling(settings, mark, sys_root)
        return Kind(wire, settings, settings.mtu, settings.interface_prefix, leads4, leads6)
    if plan.driver in (MACVLAN, IPVLAN):
        sublink = sublink_options.settings_of(plan)
        on_link, own_mac = sublink_options.routed(sublink), plan.driver == MACVLAN
        out = not sublink.hollow
        return Kind(Sublinks(sublink, mark), None, sublink.mtu, sublink.interface_prefix, out, out, on_link, own_mac)
    raise NotFound(f"could not find plugin {plan.driver} in v1 plugin registry: plugin not found")
