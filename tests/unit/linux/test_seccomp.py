"""The filters, run on an emulator: against the meaning of the profile, and against libseccomp's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import libseccomp
from tests.fakes.bpf import AARCH64, ARM, I386, X86_64, decode, run

from carrack.errors import InvalidArgument, NotSupported
from carrack.linux import seccomp as S
from carrack.linux.seccomp_profile import default_profile, resolve
from carrack.linux.syscall_tables import X32_BIT, numbers

if TYPE_CHECKING:
    from carrack.oci.runtime_spec import Seccomp

X64 = numbers("x86_64")
EPERM, ENOSYS = S.ERRNO | 1, S.ERRNO | 38
EDGES = (0, 1, 7, 8, 9, 38, 39, 40, 41, 0x20000, 0x20008, 0x10000000, 0x7E020000, 0x7FFFFFFF, 0xFFFFFFFF)
EDGES_64 = (*EDGES, 1 << 32, (1 << 32) + 8, 1 << 63, 2**64 - 1)


def profile(*rules: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **more: Any) -> Seccomp:
    return {"defaultAction": default, "syscalls": list(rules), **more}  # type: ignore[typeddict-item]


def allow(*names: str, **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **more}


def argument(op: str, value: int, second: int = 0, index: int = 0) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": second}


def answer(wanted: Seccomp, name: str, *arguments: int, machine: str = "x86_64") -> int:
    return run(decode(S.compile_profile(wanted, machine)), numbers(machine)[name], S._TOKENS[machine], arguments)


@pytest.mark.parametrize(
    ("action", "errno", "expected"),
    [
        ("SCMP_ACT_KILL", None, 0),
        ("SCMP_ACT_KILL_THREAD", None, 0),
        ("SCMP_ACT_KILL_PROCESS", None, 0x80000000),
        ("SCMP_ACT_TRAP", None, 0x00030000),
        ("SCMP_ACT_ERRNO", None, 0x00050001),
        ("SCMP_ACT_ERRNO", 0, 0x00050000),
        ("SCMP_ACT_ERRNO", 38, 0x00050026),
        ("SCMP_ACT_TRACE", 7, 0x7FF00007),
        ("SCMP_ACT_LOG", None, 0x7FFC0000),
        ("SCMP_ACT_ALLOW", None, 0x7FFF0000),
    ],
)
def test_actions(action: str, errno: int | None, expected: int) -> None:
    rule = {"names": ["getpid"], "action": action} | ({} if errno is None else {"errnoRet": errno})
    default = "SCMP_ACT_LOG" if action == "SCMP_ACT_ALLOW" else "SCMP_ACT_ALLOW"
    assert answer(profile(rule, default=default), "getpid") == expected
    assert answer(profile(default=action, **({} if errno is None else {"defaultErrnoRet": errno})), "read") == expected


@pytest.mark.parametrize(
    ("op", "holds"),
    [
        ("NE", lambda a, v, w: a != v),
        ("LT", lambda a, v, w: a < v),
        ("LE", lambda a, v, w: a <= v),
        ("EQ", lambda a, v, w: a == v),
        ("GE", lambda a, v, w: a >= v),
        ("GT", lambda a, v, w: a > v),
        ("MASKED_EQ", lambda a, v, w: a & v == w & v),
    ],
)
@pytest.mark.parametrize("index", [0, 5])
def test_every_operator_over_all_64_bits(op: str, holds: Any, index: int) -> None:
    values = (0, 1, 40, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, (1 << 32) + 40, (40 << 32) + 1, 1 << 63, 2**64 - 1)
    for value in values:
        second = value & 0x80000000_0000FFFF
        code = decode(S.compile_profile(profile(allow("mmap", args=[argument(op, value, second, index)])), "x86_64"))
        for given_value in values:
            arguments = (*(3,) * index, given_value, *(3,) * (5 - index))
            expected = S.ALLOW if holds(given_value, value, second) else EPERM
            assert run(code, X64["mmap"], X86_64, arguments) == expected, (op, hex(value), hex(given_value))


def test_arguments_are_anded_and_rules_ored() -> None:
    wanted = profile(
        allow("mmap", args=[argument("EQ", 1), argument("EQ", 2, index=1)]),
        allow("mmap", args=[argument("GT", 100, index=2)]),
    )
    assert answer(wanted, "mmap", 1, 2) == S.ALLOW
    assert answer(wanted, "mmap", 1, 3) == EPERM
    assert answer(wanted, "mmap", 0, 0, 101) == S.ALLOW


def test_conditions_on_the_same_argument_are_rules_of_their_own() -> None:
    wanted = profile(allow("mmap", args=[argument("EQ", 1), argument("EQ", 2)]))
    assert [answer(wanted, "mmap", value) for value in (1, 2, 3)] == [S.ALLOW, S.ALLOW, EPERM]


def test_first_match_answers_and_unconditional_wins() -> None:
    denied = {"names": ["mmap"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22}
    ordered = profile({**denied, "args": [argument("EQ", 1)]}, allow("mmap", args=[argument("LT", 5)]))
    assert [answer(ordered, "mmap", value) for value in (0, 1, 5)] == [S.ALLOW, S.ERRNO | 22, EPERM]
    assert answer(profile({**denied, "args": [argument("EQ", 1)]}, allow("mmap")), "mmap", 1) == S.ALLOW
    assert answer(profile(denied, allow("mmap")), "mmap") == S.ERRNO | 22


def test_int_arguments_cannot_be_slipped_past_by_their_upper_half() -> None:
    """The kernel takes socket(2)'s family from 32 bits: 0x1_0000_0026 is AF_ALG, and greater than 40."""
    wanted = resolve(default_profile(), frozenset(), "x86_64", (6, 1))
    families = {family: answer(wanted, "socket", family) for family in (1, 38, 39, 40, 41)}
    assert families == {1: S.ALLOW, 38: EPERM, 39: S.ALLOW, 40: EPERM, 41: S.ALLOW}
    assert answer(wanted, "socket", (1 << 32) + 38) == EPERM
    assert answer(wanted, "socket", (7 << 32) + 40) == EPERM
    inject = profile(
        {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [argument("EQ", 0x5412, index=1)]},
        default="SCMP_ACT_ALLOW",
    )
    assert answer(inject, "ioctl", 0, (1 << 32) | 0x5412) == EPERM
    negative = profile(allow("socket", args=[argument("EQ", 2**64 - 1)]))
    assert answer(negative, "socket", 0xFFFFFFFF) == S.ALLOW


def test_unnamed_new_calls_are_enosys_where_the_default_denies() -> None:
    wanted = profile(allow("openat2"), architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X32"])
    code = decode(S.compile_profile(wanted, "x86_64"))
    assert run(code, 436, X86_64) == EPERM
    assert run(code, 438, X86_64) == ENOSYS
    assert run(code, 438, I386) == ENOSYS
    assert run(code, X32_BIT | 436, X86_64) == EPERM
    assert run(code, X32_BIT | 438, X86_64) == ENOSYS
    assert run(code, 0xFFFFFFFF, X86_64) == ENOSYS
    for default in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"):
        lenient = profile({"names": ["openat2"], "action": "SCMP_ACT_KILL"}, default=default)
        assert run(decode(S.compile_profile(lenient, "x86_64")), 438, X86_64) in (S.ALLOW, S.LOG, S.TRACE | 1)


def test_foreign_architectures_are_killed() -> None:
    code = decode(S.compile_profile(profile(default="SCMP_ACT_ALLOW"), "x86_64"))
    assert run(code, 0, X86_64) == S.ALLOW
    assert run(code, 0, I386) == S.KILL_PROCESS
    assert run(code, X32_BIT, X86_64) == S.KILL_PROCESS
    assert run(code, 0xFFFFFFFF, X86_64) == S.ALLOW


def test_x32_has_its_own_numbers() -> None:
    code = decode(S.compile_profile(profile(allow("ioctl", "getpid"), architectures=["SCMP_ARCH_X32"]), "x86_64"))
    assert run(code, X32_BIT | 514, X86_64) == S.ALLOW
    assert run(code, X32_BIT | 16, X86_64) == EPERM
    assert run(code, X32_BIT | X64["getpid"], X86_64) == S.ALLOW
    assert run(code, 514, X86_64) == ENOSYS


def test_arm_machines() -> None:
    code = decode(S.compile_profile(profile(allow("openat", "open"), architectures=["SCMP_ARCH_ARM"]), "aarch64"))
    assert run(code, 56, AARCH64) == S.ALLOW
    assert run(code, 5, ARM) == S.ALLOW
    assert run(code, 5, AARCH64) == EPERM
    assert run(code, 0, X86_64) == S.KILL_PROCESS


def test_i386_multiplexers_follow_the_rules_for_what_they_carry() -> None:
    i386 = numbers("i386")
    denied = {"action": "SCMP_ACT_ERRNO", "errnoRet": 13}
    deny = profile(
        {**denied, "names": ["socket"], "args": [argument("EQ", 38)]},
        {**denied, "names": ["shmat", "connect"]},
        default="SCMP_ACT_ALLOW",
        architectures=["SCMP_ARCH_X86"],
    )
    code = decode(S.compile_profile(deny, "x86_64"))
    refused = S.ERRNO | 13
    assert [run(code, i386["socketcall"], I386, (n,)) for n in (1, 2, 3)] == [refused, S.ALLOW, refused]
    assert [run(code, i386["ipc"], I386, (n,)) for n in (21, (1 << 16) | 21, 22)] == [refused, refused, S.ALLOW]
    assert [run(code, i386["socket"], I386, (n,)) for n in (38, 2)] == [refused, S.ALLOW]
    permit = profile(allow("socket", args=[argument("EQ", 2)]), allow("bind"), architectures=["SCMP_ARCH_X86"])
    code = decode(S.compile_profile(permit, "x86_64"))
    assert [run(code, i386["socketcall"], I386, (n,)) for n in (1, 2)] == [EPERM, S.ALLOW]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (profile(default="SCMP_ACT_MAYBE"), r"linux.seccomp.defaultAction: unknown action 'SCMP_ACT_MAYBE'"),
        ({}, r"linux.seccomp.defaultAction: unknown action None"),
        (profile(defaultErrnoRet=5000), r"linux.seccomp.defaultErrnoRet: 5000 is not a number from 0 to 4095"),
        (
            profile(default="SCMP_ACT_ALLOW", defaultErrnoRet=1),
            r"defaultErrnoRet: SCMP_ACT_ALLOW takes no",
        ),
        (profile(allow("read"), {"names": ["x"]}), r"linux.seccomp.syscalls\[1\].action: unknown action None"),
        (profile(allow()), r"linux.seccomp.syscalls\[0\].names"),
        (profile(allow("")), r"linux.seccomp.syscalls\[0\].names"),
        (profile("read"), r"linux.seccomp.syscalls\[0\]: not an object"),  # type: ignore[arg-type]
        (profile(allow("read", args=[argument("LIKE", 1)])), r"syscalls\[0\].args\[0\].op: unknown operator"),
        (profile(allow("read", args=[argument("EQ", 1), {"op": "EQ"}])), r"syscalls\[0\].args\[1\].op"),
        (profile(allow("read", args=[argument("EQ", 1, index=6)])), r"args\[0\].index: 6 is not a number from 0 to 5"),
        (profile(allow("read", args=[argument("EQ", -1)])), r"args\[0\].value: -1"),
        (profile(allow("read", args=[argument("EQ", 2**64)])), r"args\[0\].value"),
        (profile(allow("read", args=[argument("EQ", True)])), r"args\[0\].value: True"),
        (profile(allow("read", args="x")), r"syscalls\[0\].args: not a list"),
        (profile(architectures=["SCMP_ARCH_VAX"]), r"linux.seccomp.architectures\[0\]: unknown architecture"),
    ],
)
def test_broken_profiles_are_refused_with_their_position(broken: Seccomp, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        S.compile_profile(broken, "x86_64")


def test_notification_and_unknown_machines_are_not_supported() -> None:
    with pytest.raises(NotSupported, match=r"syscalls\[0\].action: SCMP_ACT_NOTIFY"):
        S.compile_profile(profile({"names": ["read"], "action": "SCMP_ACT_NOTIFY"}), "x86_64")
    with pytest.raises(NotSupported, match="listenerPath"):
        S.compile_profile(profile(listenerPath="/run/x"), "x86_64")
    with pytest.raises(NotSupported, match="not built for vax"):
        S.compile_profile(profile(), "vax")


def test_too_long_a_profile_is_refused() -> None:
    rules = [allow(name, args=[argument("EQ", value) for value in range(4)]) for name in X64]
    with pytest.raises(InvalidArgument, match="instructions and the kernel takes 4096"):
        S.compile_profile(profile(*rules), "x86_64")


NAMES = ("read", "mmap", "socket", "getpid", "openat2", "no_such_call")
RULES: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.fixed_dictionaries(
        {
            "names": st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
            "action": st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRAP"]),
            "args": st.lists(
                st.builds(
                    argument,
                    st.sampled_from(["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]),
                    st.sampled_from(EDGES_64),
                    st.sampled_from(EDGES_64),
                    st.integers(0, 5),
                ),
                max_size=3,
                unique_by=lambda a: a["index"],
            ),
        }
    ),
    max_size=6,
)


def meaning(rules: list[dict[str, Any]], name: str, arguments: tuple[int, ...]) -> int:
    """The same profile read naively: what the documentation of the compiler says, without ranges or words."""
    mine = [(S._ACTIONS[rule["action"]], rule["args"]) for rule in rules if name in rule["names"]]
    fixed = [action for action, conditions in mine if not conditions]
    if fixed:
        return fixed[0]
    for action, conditions in mine:
        if all(_holds(name, arguments[c["index"]], c) for c in conditions):
            return action
    return EPERM


def _holds(name: str, value: int, condition: dict[str, Any]) -> bool:
    wanted, second, op = condition["value"], condition["valueTwo"], condition["op"].removeprefix("SCMP_CMP_")
    if name == "socket" and condition["index"] < 3:
        value &= 0xFFFFFFFF
        if op == "MASKED_EQ" or wanted >= 2**64 - 2**31:
            wanted &= 0xFFFFFFFF
    results: dict[str, bool] = {
        "NE": value != wanted,
        "LT": value < wanted,
        "LE": value <= wanted,
        "EQ": value == wanted,
        "GE": value >= wanted,
        "GT": value > wanted,
        "MASKED_EQ": value & wanted == second & wanted,
    }
    return results[op]


@settings(max_examples=150, deadline=None)
@given(rules=RULES, arguments=st.lists(st.tuples(*[st.sampled_from(EDGES_64)] * 6), min_size=1, max_size=8))
def test_program_means_the_profile(rules: list[dict[str, Any]], arguments: list[tuple[int, ...]]) -> None:
    code = decode(S.compile_profile(profile(*rules, allow("seccomp", "openat2")), "x86_64"))
    for given_arguments in arguments:
        for name in ("read", "mmap", "socket", "getpid", "write"):
            assert run(code, X64[name], X86_64, given_arguments) == meaning(rules, name, given_arguments)


LIB = libseccomp.library()
needs_libseccomp = pytest.mark.skipif(LIB is None, reason="libseccomp.so.2 is not installed")


@needs_libseccomp
@pytest.mark.parametrize(
    "caps",
    [frozenset(), frozenset({"CAP_SYS_ADMIN"}), frozenset({"CAP_SYS_PTRACE", "CAP_BPF", "CAP_SYS_CHROOT"})],
    ids=["none", "admin", "some"],
)
def test_default_profile_answers_as_libseccomp(caps: frozenset[str]) -> None:
    assert LIB is not None
    wanted = resolve(default_profile(), caps, "x86_64", (6, 1))
    ours = decode(S.compile_profile(wanted, "x86_64"))
    theirs = decode(libseccomp.export(LIB, wanted))
    judged = {name for rule in wanted["syscalls"] if rule.get("args") for name in rule["names"]} | {"clone3"}
    arguments = [(a, b, 0, 0, 0, 0) for a in EDGES_64 for b in (0, 0x7E020000)]
    compared = 0
    for machine, token, scmp in (("x86_64", X86_64, X86_64), ("i386", I386, I386), ("x32", X86_64, 0x4000003E)):
        for name, number in numbers(machine).items():
            # pseudo numbers (direct socket calls on i386) and calls newer than the library are not its to judge
            if libseccomp.number(LIB, scmp, name) != number:
                continue
            for values in arguments if name in judged else arguments[::20]:
                seen = values if machine == "x86_64" and name not in ("socket", "personality") else _words(values)
                compared += 1
                assert run(ours, number, token, seen) == run(theirs, number, token, seen), (machine, name, seen)
    assert compared > 2_000


def _words(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(value & 0xFFFFFFFF for value in values)


@needs_libseccomp
@settings(max_examples=100, deadline=None)
@given(
    conditions=RULES.map(lambda rules: [rule["args"] for rule in rules if rule["args"]][:1]),
    arguments=st.lists(st.tuples(*[st.sampled_from(EDGES_64)] * 6), min_size=1, max_size=20),
)
def test_conditions_answer_as_libseccomp(conditions: list[list[Any]], arguments: list[tuple[int, ...]]) -> None:
    assert LIB is not None
    wanted = profile(*(allow("mmap", args=found) for found in conditions), allow("rseq", "pkey_free"))
    ours, theirs = decode(S.compile_profile(wanted, "x86_64")), decode(libseccomp.export(LIB, wanted))
    for values in arguments:
        assert run(ours, X64["mmap"], X86_64, values) == run(theirs, X64["mmap"], X86_64, values)
