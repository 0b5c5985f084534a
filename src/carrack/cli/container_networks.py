"""``--network`` and its kin → the endpoints of a create request; apart, as few ask for more than the usual."""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_ADDRESSES = {"ip": "IPv4Address", "ip6": "IPv6Address"}
# a flag of the whole command, and the same thing as said of one network in the words of a refusal
_CONFLICTS = (
    ("network-alias", "Aliases", "alias"),
    ("ip", "IPv4Address", "IPv4 address"),
    ("ip6", "IPv6Address", "IPv6 address"),
    ("mac-address", "MacAddress", "MAC address"),
    ("link-local-ip", "LinkLocalIPs", "link-local IP addresses"),
)


def endpoints(parsed: "Parsed", host: "Document") -> "Document":
    """Endpoint settings per network; the flags without a network's name belong to the first.

    A single network of which nothing more is said goes by ``NetworkMode`` alone, as with docker.
    """
    wanted: list[tuple[str, Document]] = parsed.value("network") or [("default", {})]
    if parsed.given("network"):
        host["NetworkMode"] = wanted[0][0]
    found: Document = {}
    for number, (name, given) in enumerate(wanted):
        settings = _with_common(name, given, parsed) if number == 0 else dict(given)
        _check(name, settings)
        if name in found:
            raise InvalidArgument(f'network "{name}" is specified multiple times')
        found[name] = settings
    if len({is_user_defined(name) for name in found}) > 1:
        raise InvalidArgument("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    return found if len(found) > 1 or any(found.values()) else {}


def is_user_defined(name: str) -> bool:
    """Whether it is a network of the user's own, and none of Docker's modes."""
    return name not in ("default", "bridge", "host", "none") and not name.startswith("container:")


def parse_network(text: str) -> "tuple[str, Document]":
    """A network by name, or as ``name=front,alias=web,ip=10.0.0.4``, whose keys may be in capitals."""
    if not _is_long(text):
        return text, {}
    from carrack.model.mounts import split_fields

    name = ""
    settings: Document = {}
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        if not equals or not key:
            raise InvalidArgument(f"invalid field {field}")
        key, value = key.strip().lower(), value.strip()
        if key == "name":
            name = value
        else:
            _set(settings, key, value)
    if not name:
        raise InvalidArgument("network name/id is not specified")
    return name, settings


def parse_driver_option(text: str) -> tuple[str, str]:
    """``key=value`` for a network's driver. InvalidArgument, whose words the caller gives, for anything else."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidArgument("invalid key value pair format in driver options")
    return key.strip(), value.strip()


def parse_link(text: str) -> str:
    """``container[:alias]`` as it is. Raises InvalidArgument."""
    if not text:
        raise InvalidArgument("empty string specified for links")
    if text.count(":") > 1:
        raise InvalidArgument(f"bad format for links: {text}")
    return text


def _is_long(text: str) -> bool:
    """Whether a ``=`` stands between two letters, digits or underlines: names of networks hold none."""
    around = zip(text, text[1:], text[2:], strict=False)
    return any(equals == "=" and _is_word(before) and _is_word(after) for before, equals, after in around)


def _is_word(character: str) -> bool:
    return character == "_" or (character.isascii() and character.isalnum())


def _set(settings: "Document", key: str, value: str) -> None:
    if key == "alias":
        settings.setdefault("Aliases", []).append(value)
    elif key in _ADDRESSES:
        settings.setdefault("IPAMConfig", {})[_ADDRESSES[key]] = value
    elif key == "link-local-ip":
        settings.setdefault("IPAMConfig", {}).setdefault("LinkLocalIPs", []).append(value)
    elif key == "mac-address":
        settings["MacAddress"] = value
    elif key == "driver-opt":
        option, text = parse_driver_option(value)
        settings.setdefault("DriverOpts", {})[option] = text
    elif key == "gw-priority":
        settings["GwPriority"] = _priority(value)
    else:
        raise InvalidArgument(f"invalid field key {key}")


def _priority(text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidArgument(f"invalid gw-priority ({text}): invalid syntax")
    if not -(1 << 63) <= int(text) < 1 << 63:
        raise InvalidArgument(f"invalid gw-priority ({text}): value out of range")
    return int(text)


def _with_common(name: str, given: "Document", parsed: "Parsed") -> "Document":
    """The settings of the first network with what the command's own flags say of it."""
    settings = dict(given)
    addresses: dict[str, Any] = dict(given.get("IPAMConfig") or {})
    for flag, key, what in _CONFLICTS:
        value = parsed.value(flag)
        if not value:
            continue
        target = settings if key in ("Aliases", "MacAddress") else addresses
        if target.get(key):
            raise InvalidArgument(f"conflicting options: cannot specify both --{flag} and per-network {what}")
        target[key] = value
    if addresses:
        settings["IPAMConfig"] = addresses
    if parsed.given("link") and is_user_defined(name):
        settings["Links"] = parsed.words("link")
    return settings


def _check(name: str, settings: "Document") -> None:
    if not name.strip():
        raise InvalidArgument("no name set for network")
    if settings.get("Aliases") and not is_user_defined(name):
        raise InvalidArgument("network-scoped aliases are only supported for user-defined networks")
    if "MacAddress" in settings and not _is_mac(settings["MacAddress"]):
        raise InvalidArgument(f"{settings['MacAddress']} is not a valid mac address")


def _is_mac(text: str) -> bool:
    """A hardware address as Go reads it: pairs of digits with ``:`` or ``-`` between, or fours with dots."""
    dots = "." in text
    parts = text.split(".") if dots else text.replace("-", ":").split(":") if not (":" in text and "-" in text) else []
    size = len("".join(parts)) // 2
    digits = all(len(part) == (4 if dots else 2) and set(part.lower()) <= set("0123456789abcdef") for part in parts)
    return bool(parts) and digits and size in (6, 8, 20)
