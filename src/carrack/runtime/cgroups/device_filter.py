"""OCI device rules, brought to what both cgroup versions can hold: a default and a list of exceptions to it.

Pure. Version 1 takes the outcome as lines for devices.allow and devices.deny, version 2 as a program of type
BPF_PROG_TYPE_CGROUP_DEVICE that the kernel asks at every open and mknod of a device node. A request is let through
a list of allowed devices only if one entry covers all of its access bits; it is refused by a list of denied ones if
it meets any bit (the kernel's own rule on version 1: security/device_cgroup.c). To the given rules come those that
every container needs, as runc adds them.
"""

from __future__ import annotations

import struct

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.oci.runtime_spec import DeviceRule

#: what every container may use: making any node (using it is another matter), and the default devices
ALWAYS_ALLOWED: tuple[DeviceRule, ...] = (
    {"allow": True, "type": "c", "access": "m"},
    {"allow": True, "type": "b", "access": "m"},
    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 8, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 7, "access": "rwm"},
    {"allow": True, "type": "c", "major": 5, "minor": 0, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 9, "access": "rwm"},
    {"allow": True, "type": "c", "major": 136, "access": "rwm"},
    {"allow": True, "type": "c", "major": 5, "minor": 2, "access": "rwm"},
    {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "rwm"},
)
_ANY = -1
_LETTERS = "rwm"
#: BPF_DEVCG_ACC_* and BPF_DEVCG_DEV_* of <linux/bpf.h>
_ACCESS_BITS = {"m": 1, "r": 2, "w": 4}
_TYPE_NUMBERS = {"b": 1, "c": 2}


class Entry:
    """One exception: type ``b`` or ``c``, numbers (-1 any), access letters in the order rwm."""

    __slots__ = ("access", "major", "minor", "type")

    def __init__(self, type: str, major: int, minor: int, access: str) -> None:
        self.type = type
        self.major = major
        self.minor = minor
        self.access = access

    def __repr__(self) -> str:
        return f"{self.type} {_star(self.major)}:{_star(self.minor)} {self.access}"

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


class DevicePolicy:
    """``allow`` is the default; ``exceptions`` are what differs from it."""

    __slots__ = ("allow", "exceptions")

    def __init__(self, allow: bool, exceptions: list[Entry]) -> None:
        self.allow = allow
        self.exceptions = exceptions


def normalize(rules: Sequence[DeviceRule]) -> DevicePolicy:
    """Apply the rules in order to "nothing is allowed", then those of every container.

    InvalidArgument for a rule that is malformed, or takes a part out of a wider one (neither version's list, nor
    the kernel's check, can hold that).
    """
    allow = False
    held: dict[tuple[str, int, int], set[str]] = {}
    for index, rule in enumerate((*rules, *ALWAYS_ALLOWED)):
        types, major, minor, access = _parse(rule, index)
        allowed = bool(rule.get("allow"))
        if len(types) == 2 and major == minor == _ANY and access == set(_LETTERS):
            allow, held = allowed, {}
            continue
        for kind in types:
            if allowed == allow:
                _take_out(held, (kind, major, minor), access)
            else:
                held.setdefault((kind, major, minor), set()).update(access)
    entries = [Entry(*key, "".join(c for c in _LETTERS if c in bits)) for key, bits in held.items() if bits]
    return DevicePolicy(allow, entries)


def first_version_lines(rules: Sequence[DeviceRule]) -> list[tuple[str, str]]:
    """(file, line) to write in order, for cgroup version 1."""
    policy = normalize(rules)
    base, rest = ("devices.allow", "devices.deny") if policy.allow else ("devices.deny", "devices.allow")
    return [(base, "a"), *((rest, repr(entry)) for entry in policy.exceptions)]


def program(rules: Sequence[DeviceRule]) -> bytes:
    """The program for cgroup version 2: an array of struct bpf_insn; it returns 1 to allow and 0 to refuse.

    Registers: r2 device type, r3 access bits, r4 major, r5 minor (struct bpf_cgroup_dev_ctx).
    """
    policy = normalize(rules)
    code = [
        _instruction(0x61, 2, 1, 0),  # r2 = ctx->access_type
        _instruction(0xBC, 3, 2),  # w3 = w2
        _instruction(0x54, 2, imm=0xFFFF),  # w2 &= 0xffff
        _instruction(0x74, 3, imm=16),  # w3 >>= 16
        _instruction(0x61, 4, 1, 4),  # r4 = ctx->major
        _instruction(0x61, 5, 1, 8),  # r5 = ctx->minor
    ]
    for entry in policy.exceptions:
        code += _block(entry, found=not policy.allow)
    code += _return(policy.allow)
    return b"".join(code)


def _block(entry: Entry, *, found: bool) -> list[bytes]:
    """Tests of one entry, each jumping behind the block when it fails, then the verdict."""
    bits = sum(_ACCESS_BITS[letter] for letter in entry.access)
    tests: list[list[int]] = [[0x55, 2, _TYPE_NUMBERS[entry.type]]]  # if r2 != type
    lead: list[bytes] = []
    if bits != 7:
        lead = [_instruction(0xBC, 1, 3), _instruction(0x54, 1, imm=bits)]  # w1 = w3 & bits
        # allowed devices: every wanted bit is covered (w1 == w3); denied ones: some wanted bit is (w1 != 0)
        tests.append([0x5D, 1, 3] if found else [0x15, 1, 0])
    for register, value in ((4, entry.major), (5, entry.minor)):
        if value != _ANY:
            tests.append([0x55, register, value])
    body: list[bytes] = []
    verdict = _return(found)
    for number, (opcode, register, value) in enumerate(tests):
        following = len(tests) - number - 1 + (len(lead) if number == 0 else 0)
        offset = following + len(verdict)
        if opcode == 0x5D:
            body.append(_instruction(opcode, register, value, offset))
        else:
            body.append(_instruction(opcode, register, 0, offset, value))
        if number == 0:
            body += lead
    return body + verdict


def _return(allow: bool) -> list[bytes]:
    return [_instruction(0xB7, 0, imm=int(allow)), _instruction(0x95)]


def _instruction(opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    return struct.pack("=BBhi", opcode, dst | src << 4, offset, imm)


def _parse(rule: DeviceRule, index: int) -> tuple[str, int, int, set[str]]:
    where = f"linux.resources.devices[{index}]"
    kind = rule.get("type") or "a"
    types = {"a": "bc", "b": "b", "c": "c", "u": "c"}.get(kind)
    if types is None:
        raise InvalidArgument(f"{where}.type: {kind!r} is not one of a, b, c")
    access = set(rule.get("access") or _LETTERS)
    if access - set(_LETTERS):
        raise InvalidArgument(f"{where}.access: {rule.get('access')!r} has letters other than r, w and m")
    numbers = []
    for key in ("major", "minor"):
        value = rule.get(key)
        if value is not None and not -1 <= value < 2**31:  # type: ignore[operator]
            raise InvalidArgument(f"{where}.{key}: {value} is no device number")
        numbers.append(_ANY if value is None else int(value))  # type: ignore[call-overload]
    return types, numbers[0], numbers[1], access


def _take_out(held: dict[tuple[str, int, int], set[str]], key: tuple[str, int, int], access: set[str]) -> None:
    """A rule of the default's own kind removes exceptions that it covers; a part of a wider one it cannot remove."""
    for other, bits in held.items():
        if _covers(key, other):
            bits -= access
        elif _covers(other, key) and bits & access:
            wide, narrow = (f"{k[0]} {_star(k[1])}:{_star(k[2])}" for k in (other, key))
            raise InvalidArgument(f"device rules: {narrow} cannot be taken out of the wider rule {wide}")


def _covers(wide: tuple[str, int, int], narrow: tuple[str, int, int]) -> bool:
    return wide[0] == narrow[0] and all(w in (_ANY, n) for w, n in zip(wide[1:], narrow[1:], strict=True))


def _star(number: int) -> str:
    return "*" if number == _ANY else str(number)
