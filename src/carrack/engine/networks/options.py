"""Options of the network drivers (``-o``), checked in Docker's words. Pure; their meaning is the fabric's.

Unknown ones are kept, as dockerd keeps them, but their user is told that they have no effect.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from carrack.errors import InvalidArgument, NotFound
from carrack.network import option_names as names

_LARGEST_MTU, _SMALLEST_MTU, _SMALLEST_MTU6 = 65535, 68, 1280
_INTERFACE = re.compile(r"[^/\s:%]{1,15}")
_PREFIX = re.compile(r"[^/\s:%]{1,13}")
_GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")

Options = Mapping[str, str]
Check = Callable[[str, str], None]


def check(driver: str, options: Options, *, internal: bool, ipv6: bool = False) -> list[str]:
    """Refuse options that say nothing to a driver of such a network; returns those that it does not know.

    InvalidArgument names the option; NotFound when there is no such driver.
    """
    known = _KNOWN.get(driver)
    if known is None:
        raise NotFound(f'plugin "{driver}" not found: the network drivers here are bridge, macvlan and ipvlan')
    for key, value in options.items():
        if key in known:
            known[key](key, value)
    if not internal and any(options.get(key) == "isolated" for key in _MODES):
        raise InvalidArgument("gateway mode 'isolated' can only be used for an internal network")
    if ipv6 and 0 < int(options.get(names.MTU) or 0) < _SMALLEST_MTU6:
        raise InvalidArgument(f"invalid MTU number: {options[names.MTU]}: IPv6 needs {_SMALLEST_MTU6} at least")
    return [key for key in options if key not in known]


def gateways(driver: str, options: Options, *, internal: bool) -> dict[int, bool]:
    """By IP version, whether the network has a gateway where its user names none."""
    if driver != "bridge":
        leads = bool(options.get("parent")) and not internal and options.get("ipvlan_mode") in (None, "", "l2")
        return {4: leads, 6: leads}
    four, six = (options.get(key) != "isolated" for key in _MODES)
    inhibited = internal and truth(options, names.INHIBIT_IPV4, default=False)
    return {4: four and not inhibited, 6: six}


def enabled(options: Options, version: int) -> bool | None:
    """Whether the options switch an IP version on or off; None when they do not say."""
    key = names.ENABLE[version]
    if key not in options:
        return None
    if options[key] not in names.TRUE + names.FALSE:
        raise InvalidArgument(f'driver-opt "{key}" is not a valid bool')
    return options[key] in names.TRUE


def truth(options: Options, key: str, *, default: bool) -> bool:
    """An option that was checked to be a truth value."""
    return options[key] in names.TRUE if key in options else default


def _failed(key: str, value: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"failed to parse {key} value: {value} ({why})")


def _truth(key: str, value: str) -> None:
    if value not in names.TRUE + names.FALSE:
        raise _failed(key, value, f'strconv.ParseBool: parsing "{value}": invalid syntax')


def _never(key: str, value: str) -> None:
    _truth(key, value)
    if value in names.TRUE:
        raise InvalidArgument(f"{key} is for the predefined network bridge only; leave it out")


def _mtu(key: str, value: str) -> None:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", value, re.ASCII):
        raise _failed(key, value, f'strconv.Atoi: parsing "{value}": invalid syntax')
    if int(value) < 0:
        raise InvalidArgument(f"invalid MTU number: {value}")
    if int(value) and not _SMALLEST_MTU <= int(value) <= _LARGEST_MTU:
        raise InvalidArgument(f"invalid MTU number: {value}: an interface takes {_SMALLEST_MTU} to {_LARGEST_MTU}")


def _address(version: int | None) -> Check:
    def test(key: str, value: str) -> None:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise _failed(key, value, "nil ip") from None
        if version is not None and address.version != version:
            raise _failed(key, value, f"not an IPv{version} address")

    return test


def _one_of(*words: str) -> Check:
    def test(key: str, value: str) -> None:
        if value not in words:
            raise _failed(key, value, f"unknown gateway mode {value}")

    return test


def _name(key: str, value: str) -> None:
    if value and (not _INTERFACE.fullmatch(value) or value in (".", "..")):
        raise InvalidArgument(f"invalid {key} {value!r}: an interface's name has 1 to 15 characters, no /, : or %")


def _names(key: str, value: str) -> None:
    for word in filter(None, value.split(":")):
        _name(key, word)


def _prefix(key: str, value: str) -> None:
    if value and not _PREFIX.fullmatch(value):
        raise InvalidArgument(f"invalid {key} {value!r}: 1 to 13 characters, no /, : or %, to be numbered")


def _parent(driver: str) -> Check:
    def test(key: str, value: str) -> None:
        if value == "lo":
            raise InvalidArgument(f"loopback interface is not a valid {driver} parent link")
        _name(key, value)

    return test


def _mode(driver: str, what: str, default: str, *modes: str) -> Check:
    def test(_: str, value: str) -> None:
        if value and value not in modes:
            kind = "" if what == "flag" else f" {what}"
            raise InvalidArgument(
                f"requested {driver} {what} '{value}' is not valid, '{default}'{kind} is the {driver} driver default: "
                f"there are {', '.join(modes)}"
            )

    return test


def _any(_: str, __: str) -> None:
    pass


_MODES = tuple(names.GATEWAY_MODE.values())
_COMMON: Mapping[str, Check] = {names.MTU: _mtu, names.ENABLE[4]: _any, names.ENABLE[6]: _any}
_KNOWN: Mapping[str, Mapping[str, Check]] = {
    "bridge": {
        **_COMMON,
        names.BRIDGE_NAME: _name,
        names.DEFAULT_BRIDGE: _never,
        names.ICC: _truth,
        names.MASQUERADE: _truth,
        names.INHIBIT_IPV4: _truth,
        names.HOST_BINDING: _address(None),
        names.TRUSTED: _names,
        **dict.fromkeys(_MODES, _one_of(*_GATEWAY_MODES)),
        names.SOURCE[4]: _address(4),
        names.SOURCE[6]: _address(6),
        names.INTERFACE_PREFIX: _prefix,
    },
    "macvlan": {
        **_COMMON,
        "parent": _parent("macvlan"),
        "macvlan_mode": _mode("macvlan", "mode", "bridge", "bridge", "private", "passthru", "vepa"),
    },
    "ipvlan": {
        **_COMMON,
        "parent": _parent("ipvlan"),
        "ipvlan_mode": _mode("ipvlan", "mode", "l2", "l2", "l3", "l3s"),
        "ipvlan_flag": _mode("ipvlan", "flag", "bridge", "bridge", "private", "vepa"),
    },
    "host": {},
    "null": {},
}
