"""A command line as runc's callers write it, parsed from a table: a general parser costs more than a container does.

``-x``, ``--xx``, ``-xx`` (Go's single dash), ``--xx=value``, ``--xx value``, ``--`` and, after the first positional
argument, nothing but positional arguments, since they may be a command of somebody else's.
"""

from __future__ import annotations

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SWITCH, VALUE, LIST, NUMBER = "switch", "value", "list", "number"


class Flags:
    """What was given: ``has`` a switch, the ``value`` of an option, all values of a repeatable one."""

    __slots__ = ("_given", "positional")

    def __init__(self, given: dict[str, list[str]], positional: list[str]) -> None:
        self._given = given
        self.positional = positional

    def has(self, name: str) -> bool:
        """Whether the option was given (and not as ``=false``)."""
        return bool(self._given.get(name)) and self._given[name][-1] not in ("false", "0")

    def value(self, name: str, default: str = "") -> str:
        """The last value given."""
        return self._given[name][-1] if self._given.get(name) else default

    def values(self, name: str) -> list[str]:
        """All values given, in order."""
        return list(self._given.get(name, ()))

    def number(self, name: str, default: int = 0) -> int:
        """The last value as an integer (checked when parsed)."""
        return int(self._given[name][-1]) if self._given.get(name) else default


def parse(arguments: Sequence[str], table: Mapping[str, str], aliases: Mapping[str, str]) -> Flags:
    """Parse by table (long name → kind) and aliases (short → long); InvalidArgument names what is wrong."""
    given: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.lstrip("-").partition("=")
        name = aliases.get(name, name)
        kind = table.get(name)
        if kind is None:
            raise InvalidArgument(f"flag provided but not defined: {word.partition('=')[0]}")
        if kind == SWITCH:
            value = value if equals else "true"
        elif not equals:
            if not rest:
                raise InvalidArgument(f"flag needs an argument: {word}")
            value = rest.pop(0)
        if kind == NUMBER and not value.lstrip("-").isdigit():
            raise InvalidArgument(f"invalid value {value!r} for flag {word.partition('=')[0]}: not a number")
        given.setdefault(name, []).append(value)
    return Flags(given, rest)


def exactly(flags: Flags, count: int, usage: str) -> list[str]:
    """The positional arguments when there are that many, else InvalidArgument with the usage."""
    if len(flags.positional) != count:
        raise InvalidArgument(f"{len(flags.positional)} argument(s) given, {count} needed. Usage: {usage}")
    return flags.positional
