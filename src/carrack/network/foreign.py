"""What other programs' packet filters do with forwarded packets: their chains and rules, read and never written.

A rule set cannot be judged wholly from outside (sets, marks, bpf), so little is read of it, and only what is certain:
which base chains drop what no rule of theirs accepts, and which interfaces or kinds of packets a rule accepts.
Sources: linux/netfilter/nf_tables.h, the listings of nft(8) and of iptables-nft(8).
"""

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from carrack.linux.netlink import Message, attribute_list, attributes
from carrack.linux.nft_expressions import (
    ACCEPT,
    CT_STATUS_DNAT,
    DROP,
    META_IIFKIND,
    META_IIFNAME,
    META_OIFKIND,
    META_OIFNAME,
)

Dump = Callable[[Message], list[bytes]]

FAMILIES = {1: "inet", socket.AF_INET: "ip", socket.AF_INET6: "ip6"}
INPUT, FORWARD = 1, 2
_GETCHAIN, _GETRULE = 10 << 8 | 4, 10 << 8 | 7
_JUMPS = (-3 & 0xFFFFFFFF, -4 & 0xFFFFFFFF)  # jump, goto
_CT_STATUS = 2
_INTO = (META_OIFNAME, META_OIFKIND)
_INTERFACES = (META_IIFNAME, META_IIFKIND, *_INTO)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is certain of a rule: the interfaces it names (``""``: none, ``br*``: by their beginning), and what it does.

    ``dnat``: it looks at whether the destination was rewritten; ``plain``: it has no condition at all. ``verdict`` is
    ``accept``, ``drop`` (or reject), ``jump`` with a ``target``, or empty for everything else.
    """

    chain: str
    verdict: str
    target: str = ""
    into: str = ""
    out_of: str = ""
    dnat: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain that the kernel calls by itself: ``family`` ip, ip6 or inet; ``drops`` by its policy."""

    family: str
    table: str
    name: str
    hook: int
    drops: bool


def base_chains(dump: Dump) -> list[BaseChain]:
    """All filtering base chains for what is forwarded or comes in, of every table."""
    found = []
    for body in dump(_request(_GETCHAIN, "list nftables chains of all families")):
        family, parts = FAMILIES.get(body[0]), attributes(body[4:])
        if family is None or 4 not in parts or _string(parts.get(7, b"")) != "filter":
            continue
        hook = int.from_bytes(attributes(parts[4])[1], "big")
        if hook in (INPUT, FORWARD):
            drops = int.from_bytes(parts.get(5, b""), "big") == DROP
            found.append(BaseChain(family, _string(parts[1]), _string(parts[3]), hook, drops))
    return found


def rules(dump: Dump) -> dict[tuple[str, str], list[Rule]]:
    """All rules of all tables: (family, table) → rules in order."""
    found: dict[tuple[str, str], list[Rule]] = {}
    for body in dump(_request(_GETRULE, "list nftables rules of all families")):
        family, parts = FAMILIES.get(body[0]), attributes(body[4:])
        if family is not None and 4 in parts:
            found.setdefault((family, _string(parts[1])), []).append(_rule(_string(parts[2]), parts[4]))
    return found


def reached(rules: list[Rule], chain: str) -> Iterator[Rule]:
    """The rules that a packet may meet in a chain and in those it jumps to, each chain once."""
    waiting, seen = [chain], {chain}
    while waiting:
        current = waiting.pop()
        for rule in rules:
            if rule.chain != current:
                continue
            yield rule
            if rule.target and rule.target not in seen:
                seen.add(rule.target)
                waiting.append(rule.target)


def _request(kind: int, what: str) -> Message:
    return Message(kind, 0, struct.pack(">BBH", socket.AF_UNSPEC, 0, 0), what)


def _rule(chain: str, expressions: bytes) -> Rule:
    into, out_of, dnat, verdict, target, conditions = "", "", False, "", "", 0
    loaded: object = None
    for _, element in attribute_list(expressions):
        parts = attributes(element)
        name, data = _string(parts.get(1, b"")), attributes(parts.get(2, b""))
        if name == "immediate" and _number(data.get(1)) == 0:
            verdict, target = _verdict(data.get(2, b""))
        elif name == "reject":
            verdict = "drop"
        elif name == "cmp" and _number(data.get(2)) == 0 and loaded in _INTERFACES:
            interface = _pattern(loaded, attributes(data.get(3, b"")).get(1, b""))
            into, out_of = (interface, out_of) if loaded in _INTO else (into, interface)
        elif name == "bitwise":
            mask = attributes(data.get(4, b"")).get(1, b"")
            dnat = dnat or (loaded == "status" and int.from_bytes(mask, sys.byteorder) == CT_STATUS_DNAT)
        if name not in ("immediate", "reject", "counter", "log"):
            conditions += 1
        loaded = _loaded(name, data) if name in ("meta", "ct") else loaded
    return Rule(chain, verdict, target, into, out_of, dnat, plain=not conditions)


def _pattern(loaded: object, data: bytes) -> str:
    """The interfaces that a comparison means: a name, the beginning of names, or all bridges (taken for all)."""
    if loaded in (META_IIFKIND, META_OIFKIND):
        return "*" if _string(data) == "bridge" else _string(data)
    return _string(data) + ("" if b"\0" in data else "*")


def _loaded(name: str, data: dict[int, bytes]) -> object:
    key = _number(data.get(2))
    return key if name == "meta" else "status" if key == _CT_STATUS else None


def _verdict(data: bytes) -> tuple[str, str]:
    parts = attributes(attributes(data).get(2, b""))
    code = _number(parts.get(1))
    if code in _JUMPS:
        return "jump", _string(parts.get(2, b""))
    return {ACCEPT: "accept", DROP: "drop"}.get(code, ""), ""


def _number(data: bytes | None) -> int:
    return int.from_bytes(data, "big") if data else 0


def _string(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")
