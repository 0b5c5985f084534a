"""``--network`` and its kin → the endpoints of a create request; apart, as few ask for more than the usual."""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.flags import Parsed
    from carrack.client.document import Document


def endpoints(parsed: "Parsed", host: "Document") -> "Document":
    """Endpoint settings per network; the flags without a network's name belong to the first."""
    found: Document = {}
    for word in parsed.words("network"):
        name, settings = _network(word)
        found[name] = settings
    names = list(found)
    if names:
        host["NetworkMode"] = names[0]
    common: Document = {}
    addresses = {
        "IPv4Address": parsed.text("ip"),
        "IPv6Address": parsed.text("ip6"),
        "LinkLocalIPs": parsed.words("link-local-ip"),
    }
    if given := {key: value for key, value in addresses.items() if value}:
        common["IPAMConfig"] = given
    if parsed.given("network-alias"):
        mode = (names or ["default"])[0]
        if mode in ("default", "bridge", "host", "none") or mode.startswith("container:"):
            raise InvalidArgument("network-scoped aliases are only supported for user-defined networks")
        common["Aliases"] = parsed.words("network-alias")
    if parsed.given("mac-address"):
        _check_mac(parsed.text("mac-address"))
        common["MacAddress"] = parsed.text("mac-address")
    if common:
        found.setdefault(names[0] if names else "default", {}).update(common)
    return found if len(found) > 1 or any(found.values()) else {}


def _check_mac(text: str) -> None:
    digits = text.replace("-", ":").split(":")
    if len(digits) != 6 or not all(len(d) == 2 and set(d.lower()) <= set("0123456789abcdef") for d in digits):
        raise InvalidArgument(f"{text} is not a valid mac address")


def _network(word: str) -> "tuple[str, Document]":
    """A network by name, or as ``name=front,alias=web,ip=10.0.0.4``."""
    if "=" not in word:
        return word, {}
    name = ""
    settings: Document = {}
    ipam: dict[str, Any] = {}
    for field in word.split(","):
        key, _, value = field.partition("=")
        if key == "name":
            name = value
        elif key == "alias":
            settings.setdefault("Aliases", []).append(value)
        elif key == "driver-opt":
            option, _, text = value.partition("=")
            settings.setdefault("DriverOpts", {})[option] = text
        elif key in ("ip", "ip6"):
            ipam["IPv4Address" if key == "ip" else "IPv6Address"] = value
        elif key == "link-local-ip":
            ipam.setdefault("LinkLocalIPs", []).append(value)
        elif key == "mac-address":
            settings["MacAddress"] = value
        elif key == "gw-priority":
            settings["GwPriority"] = int(value)
        else:
            raise InvalidArgument(f"invalid field key {key} in --network {word}")
    if not name:
        raise InvalidArgument(f"network name/id is not specified in --network {word}")
    if ipam:
        settings["IPAMConfig"] = ipam
    return name, settings
