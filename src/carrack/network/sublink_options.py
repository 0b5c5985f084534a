"""From the plan of a macvlan or ipvlan network, with options as Docker names them, to its settings."""

from dataclasses import dataclass

from carrack.errors import InvalidArgument
from carrack.linux.rtnetlink_kinds import IPVLAN_FLAGS, IPVLAN_MODES, MACVLAN_MODES
from carrack.network.bridge_options import mtu_of
from carrack.network.option_names import INTERFACE_PREFIX
from carrack.network.plan import IPVLAN, MACVLAN, NetworkPlan

#: What stands for the gateway of those who route everything into the interface itself
ON_LINK4, ON_LINK6 = "0.0.0.0", "::"
_LONGEST_NAME = 15
_LAST_VLAN = 4094


@dataclass(frozen=True, slots=True)
class SublinkSettings:
    """A network of interfaces on top of ``parent``, an interface of the host.

    ``vlan`` is the VLAN that a parent of ours is for (0: none), on top of ``base``. A ``hollow`` parent leads nowhere
    and is ours: without one the containers only reach each other. ``mtu`` 0 is the parent's.
    """

    kind: str
    parent: str
    mode: str
    flag: str = ""
    hollow: bool = False
    base: str = ""
    vlan: int = 0
    mtu: int = 0
    interface_prefix: str = "eth"


def settings_of(plan: NetworkPlan) -> SublinkSettings:
    """What the interfaces of a network are to be. InvalidArgument names the option that is wrong, as Docker does."""
    options, kind = plan.options, plan.driver
    parent = options.get("parent", "")
    hollow = not parent or plan.internal
    if hollow:
        parent = f"{'dm' if kind == MACVLAN else 'di'}-{plan.id[:12]}"
    if parent == "lo":
        raise InvalidArgument(f"loopback interface is not a valid {kind} parent link")
    if not 0 < len(parent.encode()) <= _LONGEST_NAME or set("/ \t\n:%") & set(parent):
        raise InvalidArgument(f"invalid parent {parent!r}: 1 to {_LONGEST_NAME} characters, no '/' or space")
    mode, flag = _mode(plan)
    base, vlan = ("", 0) if hollow else _vlan(parent)
    prefix = options.get(INTERFACE_PREFIX) or "eth"
    return SublinkSettings(kind, parent, mode, flag, hollow, base, vlan, mtu_of(options, 0), prefix)


def _mode(plan: NetworkPlan) -> tuple[str, str]:
    if plan.driver == MACVLAN:
        mode = plan.options.get("macvlan_mode") or "bridge"
        if mode not in MACVLAN_MODES:
            raise InvalidArgument(
                f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
            )
        return mode, ""
    mode, flag = plan.options.get("ipvlan_mode") or "l2", plan.options.get("ipvlan_flag") or "bridge"
    if mode not in IPVLAN_MODES:
        raise InvalidArgument(f"requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default")
    if flag not in IPVLAN_FLAGS:
        raise InvalidArgument(f"requested ipvlan flag '{flag}' is not valid, 'bridge' is the ipvlan driver default")
    return mode, flag


def _vlan(parent: str) -> tuple[str, int]:
    """Interface and number of ``eth0.10``, where the name is one such."""
    base, _, number = parent.rpartition(".")
    if not base or not number.isdecimal():
        return "", 0
    if not 1 <= int(number) <= _LAST_VLAN:
        raise InvalidArgument(f"vlan id must be between 1-{_LAST_VLAN}, received: {number}")
    return base, int(number)


def routed(settings: SublinkSettings) -> bool:
    """Whether containers send everything into the interface, without a gateway."""
    return settings.kind == IPVLAN and settings.mode != "l2"
