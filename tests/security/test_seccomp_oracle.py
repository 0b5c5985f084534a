"""The compiled default filter answers as libseccomp's, call by call, in an emulator: every number of x86_64, x32 and
i386, foreign architectures, and arguments at the edges of every comparison, for several capabilities and kernels.

Where ours answers otherwise one of the reasons in ``REASONS`` must hold, and each reason must be met. Where libseccomp
is not installed the decisions are compared with the digest of those that were compared with it
(``--update-golden`` writes it, with the library only).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import libseccomp
from tests.fakes.bpf import AARCH64, ARM, I386, X86_64, Program, decode, run

from carrack.linux import seccomp as S
from carrack.linux.caps import CAPABILITIES
from carrack.linux.seccomp_match import _INT_ARGUMENTS
from carrack.linux.seccomp_profile import default_profile, resolve
from carrack.linux.syscall_tables import X32_BIT, numbers

GOLDEN = Path(__file__).parent.parent / "golden" / "seccomp" / "default-decisions.json"
LIB = libseccomp.library()
needs_libseccomp = pytest.mark.skipif(LIB is None, reason="libseccomp.so.2 is not installed")
EPERM, ENOSYS = S.ERRNO | 1, S.ERRNO | 38

#: name → (architecture token of a call, libseccomp's token, first number)
ABIS = {
    "x86_64": (X86_64, X86_64, 0),
    "x32": (X86_64, 0x4000003E, X32_BIT),
    "i386": (I386, I386, 0),
}
HIGHEST = 600
BEYOND = (0x3FFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, X32_BIT + 0x1000, X32_BIT | 0x3FFFFFFF)
FOREIGN = (0, 0x3E, 0x8000003E, 0x4000003E, AARCH64, ARM, 0x80000015, 0xC0000015, 0xC00000F3, 0xFFFFFFFF)
SITUATIONS: dict[str, tuple[frozenset[str], tuple[int, int]]] = {
    "none": (frozenset(), (6, 1)),
    "none, before 4.8": (frozenset(), (4, 7)),
    "admin": (frozenset({"CAP_SYS_ADMIN"}), (6, 1)),
    "ptrace, bpf, chroot": (frozenset({"CAP_SYS_PTRACE", "CAP_BPF", "CAP_SYS_CHROOT"}), (6, 1)),
    "time, tty, module": (frozenset({"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_SYS_MODULE"}), (5, 10)),
    "all": (frozenset(CAPABILITIES), (6, 18)),
}
REASONS = {
    "newer than the library": "the call has no number in libseccomp, so a rule for it has no effect there",
    "newer than the profile": "ENOSYS lets programs fall back, as runc adds it to the library's filter",
    "foreign": "another architecture ends the process, not one of its threads",
    "int": "an argument that the kernel reads as 32 bits is compared as such: its upper half cannot slip it past",
}


@cache
def profile(situation: str) -> Any:
    caps, kernel = SITUATIONS[situation]
    return resolve(default_profile(), caps, "x86_64", kernel)


@cache
def ours(situation: str) -> Program:
    return decode(S.compile_profile(profile(situation), "x86_64"))


@cache
def theirs(situation: str) -> Program:
    assert LIB is not None
    return decode(libseccomp.export(LIB, profile(situation)))


def edges(value: int, second: int) -> set[int]:
    """Around a value of a comparison, in either word and in both."""
    around = {value - 1, value, value + 1, second, value | second, value ^ second, 0, 1, 0xFFFFFFFF, 1 << 32, 2**64 - 1}
    around |= {number << 32 for number in around} | {number | 1 << 32 for number in around} | {value | 7 << 32}
    around |= {1 << bit for bit in range(64) if value >> bit & 1} | {
        value & ~(1 << 31),
        value | 1 << 31,
        value | 1 << 63,
    }
    return {number & (2**64 - 1) for number in around}


@cache
def vectors(name: str) -> tuple[tuple[int, ...], ...]:
    """Arguments for one call: at the edges of what any rule compares, else a few."""
    compared = [
        argument
        for rule in default_profile()["syscalls"]
        if name in rule["names"]
        for argument in rule.get("args") or ()
    ]
    found: set[tuple[int, ...]] = {(0,) * 6, (2**64 - 1,) * 6}
    for argument in compared:
        for number in edges(argument["value"], argument.get("valueTwo", 0)):
            found.add(_with(argument["index"], number))
    return tuple(sorted(found))


def _with(index: int, number: int) -> tuple[int, ...]:
    return (*(3,) * index, number, *(3,) * (5 - index))


def calls(abi: str) -> Iterator[tuple[int, str, tuple[int, ...]]]:
    """(number, name or "", arguments) of every call to try in one ABI."""
    first, names = ABIS[abi][2], {number: name for name, number in numbers(abi).items()}
    for number in [first | low for low in range(HIGHEST)] + [n for n in BEYOND if n >= first]:
        name = names.get(number, "")
        for arguments in vectors(name):
            yield number, name, arguments


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("abi", ABIS)
@needs_libseccomp
def test_every_call_is_answered_as_by_libseccomp(situation: str, abi: str) -> None:
    token, compared = ABIS[abi][0], 0
    for number, name, arguments in calls(abi):
        mine, other = run(ours(situation), number, token, arguments), run(theirs(situation), number, token, arguments)
        compared += 1
        if mine != other:
            reason = reason_of(situation, abi, number, name, arguments, (mine, other))
            assert reason, (situation, abi, number, name, [hex(a) for a in arguments], hex(mine), hex(other))
            met.add(reason)
    assert compared > HIGHEST


met: set[str] = set()


def reason_of(
    situation: str, abi: str, number: int, name: str, arguments: tuple[int, ...], answers: tuple[int, int]
) -> str | None:
    assert LIB is not None
    mine, other = answers
    token, scmp, _ = ABIS[abi]
    if name and mine == S.ALLOW and other == EPERM and libseccomp.number(LIB, scmp, name) != number:
        return "newer than the library"
    if mine == ENOSYS and other == EPERM and number > newest(situation, abi):
        return "newer than the profile"
    cut = tuple(
        value & 0xFFFFFFFF if _INT_ARGUMENTS.get(name, 0) >> index & 1 else value
        for index, value in enumerate(arguments)
    )
    if cut != arguments and mine == run(theirs(situation), number, token, cut):
        return "int"
    return None


@cache
def newest(situation: str, abi: str) -> int:
    table = numbers(abi)
    return max(table[name] for rule in profile(situation)["syscalls"] for name in rule["names"] if name in table)


@pytest.mark.parametrize("token", FOREIGN)
@needs_libseccomp
def test_foreign_architectures(token: int) -> None:
    for situation in SITUATIONS:
        for number in (0, 1, 41, 59, X32_BIT, 0xFFFFFFFF):
            assert run(ours(situation), number, token) == S.KILL_PROCESS
            assert run(theirs(situation), number, token) == S.KILL_THREAD
    met.add("foreign")


@needs_libseccomp
def test_no_reason_is_stale() -> None:
    """Runs after those above; alone it runs one of them itself."""
    if not met:
        for abi in ABIS:
            test_every_call_is_answered_as_by_libseccomp("none", abi)
        test_foreign_architectures(ARM)
    assert met == set(REASONS)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_decisions_are_those_that_were_compared(situation: str, pytestconfig: pytest.Config) -> None:
    digest = hashlib.sha256()
    for abi in ABIS:
        for number, _, arguments in calls(abi):
            answer = run(ours(situation), number, ABIS[abi][0], arguments)
            digest.update(f"{abi} {number:#x} {arguments} {answer:#x}\n".encode())
    for token in FOREIGN:
        digest.update(f"{token:#x} {run(ours(situation), 0, token):#x}\n".encode())
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if pytestconfig.getoption("--update-golden") and LIB is not None:
        golden[situation] = digest.hexdigest()
        GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
    assert golden[situation] == digest.hexdigest()


CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "index": st.integers(0, 5),
            "op": st.sampled_from(["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]).map(lambda op: f"SCMP_CMP_{op}"),
            "value": st.sampled_from([0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]),
            "valueTwo": st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]),
        }
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda argument: str(argument["index"]),
)


@needs_libseccomp
@settings(max_examples=60, deadline=None)
@given(conditions=CONDITIONS, data=st.data())
def test_conditions_on_every_abi(conditions: list[dict[str, Any]], data: st.DataObject) -> None:
    """Of a call whose arguments are whole registers. Those of i386 have no upper half; of x32 libseccomp looks at the
    lower half only, where the kernel takes the whole of it, as ours do (next test)."""
    assert LIB is not None
    rules = [{"names": ["mremap"], "action": "SCMP_ACT_ALLOW", "args": conditions}, _ALLOWED]
    wanted: Any = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    wanted["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    mine, other = decode(S.compile_profile(wanted, "x86_64")), decode(libseccomp.export(LIB, wanted))
    near = sorted({edge for c in conditions for edge in edges(c["value"], c["valueTwo"])})
    for arguments in data.draw(st.lists(st.tuples(*[st.sampled_from(near)] * 6), min_size=1, max_size=30)):
        for abi, (token, _, _) in ABIS.items():
            seen = tuple(a & 0xFFFFFFFF for a in arguments) if abi != "x86_64" else arguments
            number = numbers(abi)["mremap"]
            assert run(mine, number, token, seen) == run(other, number, token, seen), (abi, conditions, seen)


def test_a_register_of_x32_is_compared_whole() -> None:
    equal = {"index": 0, "op": "SCMP_CMP_EQ", "value": 5}
    rules = [{"names": ["mremap"], "action": "SCMP_ACT_ALLOW", "args": [equal]}, _ALLOWED]
    wanted: Any = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules, "architectures": ["SCMP_ARCH_X32"]}
    code = decode(S.compile_profile(wanted, "x86_64"))
    number = numbers("x32")["mremap"]
    assert run(code, number, X86_64, (5,)) == S.ALLOW
    assert run(code, number, X86_64, (1 << 32 | 5,)) == EPERM


#: the highest number that the library knows, so that nothing tried is beyond the profile
_ALLOWED = {"names": ["rseq", "execveat"], "action": "SCMP_ACT_ALLOW"}
