"""``--gpus``: ``all``, a number, or comma-separated fields, of which some are lists themselves."""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEYS = ("driver", "count", "device", "capabilities", "options")


def parse_gpus(text: str) -> "dict[str, Any]":
    """The device request, as docker's command words it. Raises InvalidArgument with its texts."""
    request: dict[str, Any] = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [], "Options": {}}
    seen: set[str] = set()
    for field in _fields(text):
        key, equals, value = field.partition("=")
        if key in seen:
            raise InvalidArgument(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if not equals:
            key, value = "count", field
            seen.add(key)
        if key not in _KEYS:
            raise InvalidArgument(f"unexpected key '{key}' in '{field}'")
        _set(request, key, value)
    if "count" not in seen and request["DeviceIDs"] is None:
        request["Count"] = 1
    request["Capabilities"] = [[*request["Capabilities"], "gpu"]]
    return request


def _set(request: "dict[str, Any]", key: str, value: str) -> None:
    if key == "driver":
        request["Driver"] = value
    elif key == "count":
        request["Count"] = _count(value)
    elif key == "device":
        request["DeviceIDs"] = value.split(",")
    elif key == "capabilities":
        request["Capabilities"] = value.split(",")
    else:
        request["Options"] = {name: word for name, _, word in (item.partition("=") for item in value.split(","))}


def _count(value: str) -> int:
    if value == "all":
        return -1
    try:
        return int(value)
    except ValueError:
        told = 'value must be either "all" or an integer: invalid syntax'
        raise InvalidArgument(f"invalid count ({value}): {told}") from None


def _fields(text: str) -> list[str]:
    """The fields of a line; one in quotes may hold commas (RFC 4180)."""
    if not text:
        raise InvalidArgument("EOF")
    fields: list[str] = []
    rest = text
    while True:
        if rest.startswith('"'):
            end = rest.find('"', 1)
            if end < 0 or rest[end + 1 : end + 2] not in ("", ","):
                told = 'extraneous or missing " in quoted-field'
                raise InvalidArgument(f"parse error on line 1, column {len(text) + 1}: {told}")
            field, rest = rest[1:end], rest[end + 1 :]
        else:
            field, comma, after = rest.partition(",")
            rest = comma + after
        fields.append(field)
        if not rest:
            return fields
        rest = rest[1:]
