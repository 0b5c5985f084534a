"""Docker's profile form: conditions decided before the start; and the default profile."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.bpf import X86_64, decode, run

from carrack.errors import CarrackError, InvalidArgument
from carrack.linux import seccomp_profile as P
from carrack.linux.seccomp import ALLOW, ERRNO, compile_profile
from carrack.linux.syscall_tables import numbers

NONE: frozenset[str] = frozenset()


def resolved(rule: dict[str, Any], caps: frozenset[str] = NONE, machine: str = "x86_64", kernel: str = "6.1") -> bool:
    """Whether the rule stays."""
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", **rule}]}
    return bool(P.resolve(profile, caps, machine, P.kernel_version(kernel))["syscalls"])


def test_capabilities() -> None:
    both = frozenset({"CAP_BPF", "CAP_SYSLOG"})
    assert resolved({"includes": {"caps": ["CAP_BPF"]}}, both)
    assert not resolved({"includes": {"caps": ["CAP_BPF", "CAP_CHOWN"]}}, both)
    assert not resolved({"excludes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}}, both)
    assert resolved({"excludes": {"caps": ["CAP_CHOWN"]}}, both)


def test_machines() -> None:
    assert resolved({"includes": {"arches": ["amd64", "x32"]}})
    assert not resolved({"includes": {"arches": ["amd64"]}}, machine="aarch64")
    assert resolved({"includes": {"arches": ["arm64"]}}, machine="aarch64")
    assert not resolved({"excludes": {"arches": ["amd64"]}})


@pytest.mark.parametrize(
    ("kernel", "wanted"), [("4.7.9", False), ("4.8.0-rc1", True), ("4.10", True), ("6.18.44", True)]
)
def test_kernel_version(kernel: str, wanted: bool) -> None:
    assert resolved({"includes": {"minKernel": "4.8"}}, kernel=kernel) is wanted
    assert resolved({"excludes": {"minKernel": "4.8"}}, kernel=kernel) is not wanted


def test_architectures() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
        ],
    }
    assert P.resolve(profile, NONE, "aarch64", (6, 1))["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    assert P.resolve(profile, NONE, "riscv64", (6, 1))["architectures"] == ["SCMP_ARCH_RISCV64"]
    assert P.resolve(profile, NONE, "x86_64", (6, 1))["architectures"] == []
    with pytest.raises(InvalidArgument, match="architectures or archMap, not both"):
        P.resolve({**profile, "architectures": ["SCMP_ARCH_X86"]}, NONE, "x86_64", (6, 1))


def test_rules_keep_their_place_and_old_names() -> None:
    profile = P.parse(
        '{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": null, "flags": [], "syscalls": ['
        '{"name": "read", "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": null, "comment": "x"},'
        '{"names": [], "action": "SCMP_ACT_ERRNO"}]}'
    )
    assert P.resolve(profile, NONE, "x86_64", (6, 1)) == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "flags": [],
        "architectures": [],
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "defaultAction is missing"),
    ],
)
def test_broken_text(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        P.parse(text)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (7, r"syscalls\[0\]: not an object"),
        ({"name": "a", "names": ["b"]}, r"syscalls\[0\]: give name or names"),
        ({"names": "read"}, r"syscalls\[0\].names: not a list"),
        ({"includes": 1}, r"syscalls\[0\].includes: not an object"),
        ({"excludes": {"caps": "CAP_BPF"}}, r"syscalls\[0\].excludes.caps: not a list"),
        ({"includes": {"minKernel": "new"}}, r"includes.minKernel: 'new' is not a version like 4.8"),
        ({"includes": {"minKernel": 4}}, "includes.minKernel: 4"),
    ],
)
def test_broken_rules(rule: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        P.resolve({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}, NONE, "x86_64", (6, 1))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"names": ["a"], "action": "SCMP_ACT_MAYBE"}, r"syscalls\[2\]\.action: unknown action 'SCMP_ACT_MAYBE'"),
        ({"names": ["a"]}, r"syscalls\[2\]\.action: unknown action None"),
        ({"names": ["a"], "action": 7}, r"syscalls\[2\]\.action: unknown action 7"),
        ({"names": [1], "action": "SCMP_ACT_ALLOW"}, r"syscalls\[2\]\.names: not a list of names"),
        ({"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": -1}, r"syscalls\[2\]\.errnoRet: -1"),
        ({"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": "1"}, r"syscalls\[2\]\.errnoRet: '1'"),
        ({"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": {}, "x": 1}, ""),
        ({"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": {"index": 0}}, r"syscalls\[2\]\.args: not a list"),
    ],
)
def test_the_place_is_the_one_in_the_file(rule: dict[str, Any], message: str) -> None:
    """Also behind rules that do not apply here."""
    skipped = {"names": ["b"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}}
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [skipped, skipped, rule]}
    if not message:
        P.resolve(profile, NONE, "x86_64", (6, 1))
        return
    with pytest.raises(InvalidArgument, match=rf"^seccomp profile: {message}"):
        P.resolve(profile, NONE, "x86_64", (6, 1))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"index": 6, "op": "SCMP_CMP_EQ"}, r"args\[1\]\.index: 6 is not a number from 0 to 5"),
        ({"index": -1, "op": "SCMP_CMP_EQ"}, r"args\[1\]\.index: -1"),
        ({"index": 0, "op": "SCMP_CMP_ABOUT"}, r"args\[1\]\.op: unknown operator 'SCMP_CMP_ABOUT'"),
        ({"index": 0, "op": None}, r"args\[1\]\.op: unknown operator None"),
        ({"index": 0, "op": "SCMP_CMP_EQ", "value": "1"}, r"args\[1\]\.value: '1'"),
        ({"index": 0, "op": "SCMP_CMP_EQ", "value": 1e300}, r"args\[1\]\.value"),
        ({"index": 0, "op": "SCMP_CMP_EQ", "valueTwo": 2**64}, r"args\[1\]\.valueTwo"),
        ("x", r"args\[1\]: not an object"),
    ],
)
def test_the_place_of_a_broken_comparison(argument: Any, message: str) -> None:
    fine = {"index": 1, "op": "SCMP_CMP_EQ"}
    rule = {"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [fine, argument]}
    with pytest.raises(InvalidArgument, match=rf"^seccomp profile: syscalls\[0\]\.{message}"):
        P.resolve({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}, NONE, "x86_64", (6, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"defaultAction": "SCMP_ACT_ALLOW",\n "syscalls": [}', "not JSON: .*line 2 column 15"),
        ('{"defaultAction": "SCMP_ACT_ALLOW"} {}', "not JSON: .*line 1 column 37"),
        ('{"a": 1' + "0" * 5000 + "}", "not JSON: "),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "defaultAction": "SCMP_ACT_KILL"}', "'defaultAction' is given twice"),
        (
            '{"syscalls": [{"names": ["read"], "action": "x", "action": "y"}]}',
            r"'action' .* in the rule for \['read'\]",
        ),
    ],
)
def test_the_place_in_a_text_that_is_no_profile(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^seccomp profile: {message}"):
        P.parse(text)


def test_a_huge_profile_is_refused_or_compiled_in_little_time() -> None:
    many = [{"names": [f"call{n}_{i}" for n in range(100)], "action": "SCMP_ACT_ALLOW"} for i in range(1000)]
    profile = P.parse(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": many}))
    compile_profile(P.resolve(profile, NONE, "x86_64", (6, 1)), "x86_64")
    compared = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value} for value in range(3000)]
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": compared}
    with pytest.raises(InvalidArgument, match="instructions and the kernel takes 4096"):
        compile_profile(
            P.resolve({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}, NONE, "x86_64", (6, 1)), "x86_64"
        )


DENIED = (
    "mount umount2 unshare setns pivot_root keyctl add_key request_key bpf userfaultfd io_uring_setup kexec_load "
    "init_module finit_module delete_module reboot swapon open_by_handle_at fsopen move_mount perf_event_open"
)


def test_default_profile_denies_what_docker_denies() -> None:
    code = decode(P.program(None, NONE, "x86_64", (6, 1)))
    answers = {name: run(code, numbers("x86_64")[name], X86_64) for name in DENIED.split()}
    assert answers == dict.fromkeys(DENIED.split(), ERRNO | 1)
    assert run(code, numbers("x86_64")["clone3"], X86_64) == ERRNO | 38
    assert run(code, numbers("x86_64")["clone"], X86_64, (0x01200011,)) == ALLOW
    assert run(code, numbers("x86_64")["clone"], X86_64, (0x10000011,)) == ERRNO | 1
    for name in ("read", "execve", "openat2", "statx", "ptrace", "futex"):
        assert run(code, numbers("x86_64")[name], X86_64) == ALLOW


def test_capabilities_open_their_calls() -> None:
    code = decode(P.program(None, frozenset({"CAP_SYS_ADMIN"}), "x86_64", (6, 1)))
    for name in ("mount", "unshare", "clone3", "clone"):
        assert run(code, numbers("x86_64")[name], X86_64, (0x10000011,)) == ALLOW


def test_programs_are_remembered_and_bounded() -> None:
    first = P.program(None, NONE)
    assert P.program(None, frozenset()) is first
    text = '{"defaultAction": "SCMP_ACT_ALLOW"}'
    assert P.program(text, NONE) is P.program(text, NONE) is not first
    for number in range(P._MAX_PROGRAMS + 3):
        P.program(text, frozenset({str(number)}))
    assert len(P._programs) == P._MAX_PROGRAMS
    assert P.program(None, NONE) == first


def test_default_profile_is_a_module_attribute() -> None:
    assert P.DEFAULT_PROFILE is P.default_profile()
    with pytest.raises(AttributeError):
        P.NO_SUCH_NAME  # noqa: B018


def test_default_profile_is_dockers() -> None:
    folder = os.environ.get("CARRACK_SPECS")
    if not folder:
        pytest.skip("CARRACK_SPECS does not name a folder with seccomp-default.json")
    reference = json.loads((Path(folder) / "seccomp-default.json").read_text())
    for machine in ("x86_64", "aarch64"):
        for caps in (NONE, frozenset({"CAP_SYS_ADMIN"}), frozenset({"CAP_SYS_PTRACE", "CAP_SYSLOG", "CAP_BPF"})):
            for kernel in ((4, 7), (6, 1)):
                theirs = compile_profile(P.resolve(reference, caps, machine, kernel), machine)
                assert P.program(None, caps, machine, kernel) == theirs


WORDS = ["read", "SCMP_ACT_ALLOW", "SCMP_CMP_EQ", "SCMP_ARCH_X86", "4.8"]
FIELDS = ["names", "action", "args", "index", "op", "value", "caps", "includes", "minKernel"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**65) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["syscalls", "archMap", "architectures", "flags", "defaultErrnoRet", "listenerPath"]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_whatever_is_in_a_profile_it_is_compiled_or_refused(body: dict[str, Any]) -> None:
    profile = P.parse(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", **body}))
    try:
        wanted = P.resolve(profile, NONE, "x86_64", (6, 1))
        decode(compile_profile(wanted, "x86_64"))
    except CarrackError:
        pass
