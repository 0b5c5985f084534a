"""Flags as the docker command reads them, from tables: argparse alone would cost more than starting a container.

A flag is ``(name, short, kind, help)``; kinds are the keys of :data:`KINDS`. The notation is that of Go's pflag:
``--name value``, ``--name=value``, ``-n value``, ``-nvalue``, ``-it`` for booleans together, ``--flag=false``; ``--``
ends them.
"""

from carrack.errors import CarrackError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

Flag = tuple[str, str, str, str]
HELP: Flag = ("help", "", "bool", "Print usage")


class UsageError(CarrackError):
    """The command line itself is wrong; ``exit_code`` is 125 for a flag and 1 for a wrong number of arguments."""

    def __init__(self, message: str, exit_code: int = 125) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Parsed:
    """What was typed: positional ``arguments``, and flags by long name through the accessors."""

    def __init__(self, values: "dict[str, Any]", arguments: list[str]) -> None:
        self._values = values
        self.arguments = arguments

    def given(self, name: str) -> bool:
        return name in self._values

    def flag(self, name: str, default: bool = False) -> bool:
        value: bool = self._values.get(name, default)
        return value

    def text(self, name: str, default: str = "") -> str:
        value: str = self._values.get(name, default)
        return value

    def number(self, name: str) -> int | None:
        value: int | None = self._values.get(name)
        return value

    def words(self, name: str) -> list[str]:
        value: list[str] = self._values.get(name, [])
        return value

    def value(self, name: str) -> "Any":
        """The converted value of a flag of any kind, None when it was not given."""
        return self._values.get(name)


def parse(flags: "Sequence[Flag]", words: list[str], *, interspersed: bool = True) -> Parsed:
    """Sort words into flags and arguments; without ``interspersed`` all from the first argument on are arguments.

    :class:`UsageError` names the flag that is unknown, lacks its value or has a malformed one.
    """
    long = {flag[0]: flag for flag in (*flags, HELP)}
    short = {flag[1]: flag for flag in flags if flag[1]}
    values: dict[str, Any] = {}
    arguments: list[str] = []
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "--":
            arguments += reversed(rest)
            break
        if word.startswith("--"):
            _long(long, word, rest, values)
        elif word.startswith("-") and word != "-":
            _shorts(short, word, rest, values)
        else:
            arguments.append(word)
            if not interspersed:
                arguments += reversed(rest)
                break
    return Parsed(values, arguments)


def _long(flags: "dict[str, Flag]", word: str, rest: list[str], values: "dict[str, Any]") -> None:
    name, equals, value = word[2:].partition("=")
    if name.startswith("-") or not name:
        raise UsageError(f"bad flag syntax: {word}")
    flag = flags.get(name)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}")
    if not equals:
        if flag[2] == "bool":
            value = "true"
        elif rest:
            value = rest.pop()
        else:
            raise UsageError(f"flag needs an argument: --{name}")
    _store(flag, value, values)


def _shorts(flags: "dict[str, Flag]", word: str, rest: list[str], values: "dict[str, Any]") -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter == "h" and "h" not in flags:
            values["help"] = True
            continue
        flag = flags.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in -{letter}{letters}")
        if letters.startswith("=") and len(letters) > 1:
            value, letters = letters[1:], ""
        elif flag[2] == "bool":
            value = "true"
        elif letters:
            value, letters = letters, ""
        elif rest:
            value = rest.pop()
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in {word}")
        _store(flag, value, values)


def _store(flag: "Flag", text: str, values: "dict[str, Any]") -> None:
    name, short, kind, _ = flag
    convert, repeated = KINDS[kind]
    try:
        value = convert(text)
    except InvalidArgument as error:
        shown = f"-{short}, --{name}" if short else f"--{name}"
        told = text.replace("\\", "\\\\").replace('"', '\\"')
        raise UsageError(f'invalid argument "{told}" for "{shown}" flag: {error}') from None
    target = ALIASES.get(name, name)
    if not repeated:
        values[target] = value
    elif kind == "strings":
        values.setdefault(target, []).extend(value)
    else:
        values.setdefault(target, []).append(value)


def _boolean(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise InvalidArgument(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _integer(text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if abs(int(text)) >= 1 << 63:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def _unsigned16(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > 0xFFFF:
        raise InvalidArgument(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _bytes(text: str) -> int:
    from carrack.model.units import parse_bytes

    return parse_bytes(text)


def _swap(text: str) -> int:
    return -1 if text == "-1" else _bytes(text)


def _duration(text: str) -> int:
    from carrack.model.units import parse_duration

    return parse_duration(text)


def _cpus(text: str) -> int:
    from carrack.model.units import parse_cpus

    return -parse_cpus(text[1:]) if text.startswith("-") else parse_cpus(text)


def _mount(text: str) -> "dict[str, Any]":
    from carrack.model.mounts import parse_mount

    mount = parse_mount(text)
    if mount.get("Source", "").startswith("."):
        import os

        mount["Source"] = os.path.abspath(mount["Source"])
    return mount


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument(f"{text} must be formatted as key=value")
    return key, value


def _pairs(text: str) -> dict[str, str]:
    return dict(map(_pair, text.split(",")))


def _filter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument("bad format of filter (expected name=value)")
    return key.strip().lower(), value.strip()


def _ulimit(text: str) -> "dict[str, Any]":
    name, equals, limits = text.partition("=")
    soft, colon, hard = limits.partition(":")
    if not equals or not limits or (colon and not hard):
        raise InvalidArgument(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise InvalidArgument(f"invalid ulimit type: {name}")
    low, high = _integer(soft), _integer(hard if colon else soft)
    if low > high != -1 or (low == -1 != high):
        raise InvalidArgument(f"ulimit soft limit must be less than or equal to hard limit: {low} > {high}")
    return {"Name": name, "Soft": low, "Hard": high}


def _device_value(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon or not path:
        raise InvalidArgument(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise InvalidArgument(f"bad format for device path: {text}")
    return path, value


def _throttle(text: str) -> "dict[str, Any]":
    path, rate = _device_value(text)
    try:
        return {"Path": path, "Rate": _bytes(rate)}
    except InvalidArgument:
        raise InvalidArgument(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def _weight(text: str) -> "dict[str, Any]":
    path, weight = _device_value(text)
    try:
        return {"Path": path, "Weight": _unsigned16(weight)}
    except InvalidArgument:
        raise InvalidArgument(f"invalid weight for device: {text}") from None


def _stream(text: str) -> str:
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise InvalidArgument("valid streams are STDIN, STDOUT and STDERR")
    return text


def _variable(text: str) -> str:
    if not text or text.startswith("="):
        raise InvalidArgument(f"invalid environment variable: {text}")
    return text


def _label(text: str) -> str:
    if not text.partition("=")[0].strip():
        raise InvalidArgument(f"invalid label '{text}': empty name")
    return text


def _extra_host(text: str) -> str:
    name, separator, address = text.partition("=") if "=" in text else text.partition(":")
    if not separator or not name or not address:
        raise InvalidArgument(f'bad format for add-host: "{text}"')
    address = address[1:-1] if address[:1] == "[" and address[-1:] == "]" else address
    if address != "host-gateway" and not is_address(address):
        raise InvalidArgument(f'invalid IP address in add-host: "{address}"')
    return f"{name}:{address}"


def _address(text: str) -> str:
    if not is_address(text.strip()):
        raise InvalidArgument(f"IP address is not correctly formatted: {text}")
    return text.strip()


def is_address(text: str) -> bool:
    """Whether it is an IP address, of either version."""
    import _socket

    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text)
            return True
        except (OSError, ValueError):
            continue
    return False


def _sysctl(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or (key not in _SYSCTLS and not key.startswith(("net.", "fs.mqueue."))):
        raise InvalidArgument(f"sysctl '{text}' is not allowed")
    return key, value


def _device_rule(text: str) -> str:
    kind, _, rest = text.partition(" ")
    numbers, _, rights = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    known = kind in ("a", "b", "c") and colon and 1 <= len(rights) <= 3 and set(rights) <= set("rwm")
    if not known or not all(number == "*" or (number.isascii() and number.isdigit()) for number in (major, minor)):
        raise InvalidArgument(f"invalid device cgroup format '{text}'")
    return text


def _network(text: str) -> "tuple[str, dict[str, Any]]":
    from carrack.cli.container_networks import parse_network

    return parse_network(text)


def _link(text: str) -> str:
    from carrack.cli.container_networks import parse_link

    return parse_link(text)


def _option(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _strings(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",") if text else []
    from carrack.model.mounts import split_fields

    return split_fields(text)


def _text(text: str) -> str:
    return text


_ULIMITS = """as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending
stack""".split()
_SYSCTLS = """kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni
kernel.shm_rmid_forced""".split()
# kind: (convert, repeated); the kind is also what help shows, but for the texts that differ only in meaning
KINDS: "dict[str, tuple[Callable[[str], Any], bool]]" = {
    "bool": (_boolean, False),
    "string": (_text, False),
    "int": (_integer, False),
    "uint16": (_unsigned16, False),
    "bytes": (_bytes, False),
    "duration": (_duration, False),
    "decimal": (_cpus, False),
    "list": (_text, True),
    "strings": (_strings, True),
    "map": (_pair, True),
    "pairs": (_pairs, True),
    "filter": (_filter, True),
    "mount": (_mount, True),
    "ulimit": (_ulimit, True),
    "throttle": (_throttle, True),
    "weight": (_weight, True),
    "swap": (_swap, False),
    "stream": (_stream, True),
    "variable": (_variable, True),
    "label": (_label, True),
    "extra-host": (_extra_host, True),
    "address": (_address, True),
    "sysctl": (_sysctl, True),
    "device-rule": (_device_rule, True),
    "network": (_network, True),
    "link": (_link, True),
    "option": (_option, True),
}
# second names of flags, hidden from help
ALIASES = {"net": "network", "net-alias": "network-alias", "dns-opt": "dns-option", "time": "timeout"}
