"""The program is judged by running it: a small emulator of the instructions it uses."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.runtime.cgroups.device_filter import Entry, first_version_lines, normalize, program

DENY_ALL: Any = {"allow": False, "access": "rwm"}
ALLOW_ALL: Any = {"allow": True, "access": "rwm"}


def rule(text: str, allow: bool = True) -> Any:
    """``c 1:3 rw`` → a rule."""
    kind, numbers, access = text.split()
    made: dict[str, Any] = {"allow": allow, "type": kind, "access": access}
    for key, word in zip(("major", "minor"), numbers.split(":"), strict=True):
        if word != "*":
            made[key] = int(word)
    return made


def emulate(code: bytes, kind: str, access: str, major: int, minor: int) -> bool:
    bits = sum({"m": 1, "r": 2, "w": 4}[letter] for letter in access)
    context = struct.pack("=3I", bits << 16 | {"b": 1, "c": 2}[kind], major, minor)
    registers = [0] * 11
    instructions = [struct.unpack_from("=BBhi", code, at) for at in range(0, len(code), 8)]
    at = 0
    while True:
        opcode, both, offset, imm = instructions[at]
        dst, src = both & 15, both >> 4
        at += 1
        if opcode == 0x61:
            assert src == 1
            (registers[dst],) = struct.unpack_from("=I", context, offset)
        elif opcode == 0xBC:
            registers[dst] = registers[src] & 0xFFFFFFFF
        elif opcode == 0x54:
            registers[dst] &= imm & 0xFFFFFFFF
        elif opcode == 0x74:
            registers[dst] = (registers[dst] & 0xFFFFFFFF) >> imm
        elif opcode == 0xB7:
            registers[dst] = imm
        elif opcode == 0x95:
            return bool(registers[0])
        else:
            other = registers[src] if opcode & 8 else imm
            taken = registers[dst] == other if opcode & 0xF0 == 0x10 else registers[dst] != other
            assert opcode in (0x55, 0x15, 0x5D)
            at += offset if taken else 0


def test_nothing_but_the_common_devices_without_rules() -> None:
    code = program([])
    assert emulate(code, "c", "rw", 1, 3)
    assert emulate(code, "c", "m", 250, 7)  # making a node is not using it
    assert emulate(code, "c", "rw", 136, 12)
    assert not emulate(code, "c", "r", 1, 11)  # kmsg
    assert not emulate(code, "b", "r", 8, 0)
    assert not emulate(code, "b", "rm", 8, 0)
    assert not emulate(code, "c", "rw", 10, 229)


def test_everything_for_the_privileged_but_what_is_taken_away() -> None:
    code = program([ALLOW_ALL, rule("c 10:229 w", allow=False)])
    assert emulate(code, "b", "rwm", 8, 0)
    assert emulate(code, "c", "r", 10, 229)
    assert not emulate(code, "c", "rw", 10, 229)  # any refused bit refuses


def test_later_rules_have_the_last_word() -> None:
    taken = normalize([DENY_ALL, rule("c 9:9 rw"), rule("c 9:9 w", allow=False)])
    assert Entry("c", 9, 9, "r") in taken.exceptions
    gone = normalize([DENY_ALL, rule("c 9:9 rw"), rule("c *:* rwm", allow=False)])
    assert not [entry for entry in gone.exceptions if entry.major == 9]
    wiped = normalize([ALLOW_ALL, DENY_ALL])
    assert not wiped.allow


def test_lines_of_version_1() -> None:
    lines = first_version_lines([DENY_ALL, rule("b 8:* rwm")])
    assert lines[:2] == [("devices.deny", "a"), ("devices.allow", "b 8:* rwm")]
    assert ("devices.allow", "c *:* m") in lines
    assert first_version_lines([ALLOW_ALL, rule("b 8:0 w", allow=False)]) == [
        ("devices.allow", "a"),
        ("devices.deny", "b 8:0 w"),
    ]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([{"allow": True, "type": "x"}], r"devices\[0\].type: 'x'"),
        ([DENY_ALL, {"allow": True, "type": "c", "access": "rx"}], r"devices\[1\].access: 'rx'"),
        ([{"allow": True, "type": "c", "major": -2}], r"devices\[0\].major: -2"),
        (
            [DENY_ALL, rule("c 9:* rw"), rule("c 9:1 w", allow=False)],
            "c 9:1 cannot be taken out of the wider rule c 9:",
        ),
    ],
)
def test_what_cannot_be_held_is_refused(rules: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        normalize(rules)


NUMBERS = st.sampled_from([0, 1, 5, 8, 2000, 2**20])
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "allow": st.booleans(),
            "type": st.sampled_from("abc"),
            "access": st.sampled_from(["r", "rw", "rwm", "m", "w"]),
        },
        optional={"major": NUMBERS, "minor": NUMBERS},
    ),
    max_size=5,
)


@settings(max_examples=80, deadline=None)
@given(RULES, st.sampled_from("bc"), st.sampled_from(["r", "w", "m", "rw"]), NUMBERS, NUMBERS)
def test_the_program_answers_as_the_policy(rules: Any, kind: str, access: str, major: int, minor: int) -> None:
    try:
        policy = normalize(rules)
        code = program(rules)
    except InvalidArgument:
        return
    matching = [
        entry for entry in policy.exceptions
        if entry.type == kind and entry.major in (-1, major) and entry.minor in (-1, minor)
    ]  # fmt: skip
    if policy.allow:
        wanted = not any(set(access) & set(entry.access) for entry in matching)
    else:
        wanted = any(set(access) <= set(entry.access) for entry in matching)
    assert emulate(code, kind, access, major, minor) == wanted
