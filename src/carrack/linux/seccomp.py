"""Compiles the seccomp section of an OCI spec to a filter program, so that no container start waits for libseccomp.

Pure: values in, bytes out. The numbers of each machine are cut into ranges with the same answer, and the ranges
become a binary search, so that a system call passes about ten instructions of a filter for four hundred names.

What a profile means follows the runtimes that users test their profiles with (runc, crun with libseccomp):

* names that a machine does not have are skipped; a rule whose action is the default is skipped;
* of the rules for one call, an unconditional one wins; otherwise they are tried in order and the first match answers;
* the conditions of a rule must all hold, unless two of them look at the same argument: then each is a rule of its own;
* calls beyond the highest one that the profile names answer ENOSYS where the default denies, so that programs fall
  back from calls newer than the profile; a foreign architecture kills the process.

In three places it is stricter, because those can be bypassed: arguments that the kernel reads as ``int`` are compared
as 32 bits (the upper half would otherwise slip a value past a comparison), a rule for a socket or System V IPC call
also binds its i386 multiplexer, and a rule there that looks at arguments in memory is read the safe way.

Sources: OCI runtime specification, config-linux "seccomp"; seccomp(2); <linux/filter.h>, <linux/seccomp.h>.
"""

from __future__ import annotations

import struct

from carrack.errors import InvalidArgument, NotSupported
from carrack.linux.seccomp_match import WORD, conditional, parse_conditions
from carrack.linux.syscall_tables import X32_BIT, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.linux.seccomp_match import Alternative, Condition, Instruction
    from carrack.oci.runtime_spec import Seccomp

    #: an answer, or what to try in order before the default answer
    Leaf = int | tuple[Alternative, ...]
    #: names, answer, alternatives of conditions (none: unconditional)
    Rule = tuple[list[str], int, list[list[Condition]]]

KILL_PROCESS = 0x80000000
KILL_THREAD = 0x00000000
TRAP = 0x00030000
ERRNO = 0x00050000
TRACE = 0x7FF00000
LOG = 0x7FFC0000
ALLOW = 0x7FFF0000

_ACTIONS = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_ALLOW": ALLOW,
}
_PERMISSIVE = (ALLOW, LOG, TRACE)
_EPERM = 1
_ENOSYS = 38

#: OCI name → table name, for what can run on a machine of that kind
_FAMILIES: dict[str, dict[str, str]] = {
    "x86_64": {"SCMP_ARCH_X86_64": "x86_64", "SCMP_ARCH_X86": "i386", "SCMP_ARCH_X32": "x32"},
    "aarch64": {"SCMP_ARCH_AARCH64": "aarch64", "SCMP_ARCH_ARM": "arm"},
}
_FOREIGN = (
    "MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 "
    "LOONGARCH64 M68K SH SHEB X86 X86_64 X32 ARM AARCH64"
)
_KNOWN_ARCHITECTURES = frozenset(f"SCMP_ARCH_{name}" for name in _FOREIGN.split())

#: table name → AUDIT_ARCH_* (x32 shares the one of x86_64)
_TOKENS = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}

#: i386 multiplexers: call → number given in the first argument (<linux/net.h>, <linux/ipc.h>)
_SOCKETCALL = (
    "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown "
    "setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
)
_IPC = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}
#: call → (multiplexer, condition on its first argument); ipc(2) keeps a version in the upper bits of it
_MULTIPLEXED: dict[str, tuple[str, Condition]] = {
    **{name: ("socketcall", (0, "EQ", n, 0)) for n, name in enumerate(_SOCKETCALL.split(), 1)},
    **{name: ("ipc", (0, "MASKED_EQ", 0xFFFF, n)) for name, n in _IPC.items()},
}

#: <linux/filter.h>, BPF_MAXINSNS
MAX_INSTRUCTIONS = 4096

_LOAD, _RETURN, _JUMP, _IF_EQUAL, _IF_AT_LEAST = 0x20, 0x06, 0x05, 0x15, 0x35
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE = 0, 4


def compile_profile(seccomp: Seccomp, machine: str) -> bytes:
    """The filter of an OCI ``linux.seccomp`` object as an array of struct sock_filter.

    ``machine`` is uname's word for the kernel's own architecture, ``x86_64`` or ``aarch64``; it is always part of
    the filter, others are as the profile lists them. InvalidArgument names the broken place of a profile;
    NotSupported: a machine or an action that this compiler does not know.
    """
    family = _FAMILIES.get(machine)
    if family is None:
        raise NotSupported(f"seccomp filters are not built for {machine}: known are {', '.join(_FAMILIES)}")
    if seccomp.get("listenerPath"):
        raise NotSupported("linux.seccomp.listenerPath: user notification is not supported")
    default = _action(seccomp.get("defaultAction"), seccomp.get("defaultErrnoRet"), "linux.seccomp.default", "Action")
    rules = list(_rules(seccomp))
    code: list[Instruction] = [(_LOAD, 0, 0, _OFFSET_ARCHITECTURE)]
    for token, segments in _sections(rules, default, _tables(seccomp, machine)).items():
        section = [(_LOAD, 0, 0, _OFFSET_NUMBER), *_search(segments, default)]
        code += [(_IF_EQUAL, 1, 0, token), (_JUMP, 0, 0, len(section)), *section]
    code.append((_RETURN, 0, 0, KILL_PROCESS))
    if len(code) > MAX_INSTRUCTIONS:
        raise InvalidArgument(
            f"linux.seccomp: the profile needs {len(code)} instructions and the kernel takes {MAX_INSTRUCTIONS}: "
            "use fewer rules with arguments, or fewer architectures"
        )
    pack = struct.Struct("=HBBI").pack
    return b"".join([pack(*instruction) for instruction in code])


def _action(name: object, errno: object, where: str, field: str = ".action") -> int:
    if name == "SCMP_ACT_NOTIFY":
        raise NotSupported(f"{where}{field}: SCMP_ACT_NOTIFY (user notification) is not supported")
    action = _ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise InvalidArgument(f"{where}{field}: unknown action {name!r}")
    field = "ErrnoRet" if field == "Action" else ".errnoRet"
    if action not in (ERRNO, TRACE):
        if errno:
            raise InvalidArgument(f"{where}{field}: {name} takes no error number")
        return action
    limit = 4095 if action == ERRNO else 0xFFFF
    if errno is None:
        errno = _EPERM
    if not isinstance(errno, int) or isinstance(errno, bool) or not 0 <= errno <= limit:
        raise InvalidArgument(f"{where}{field}: {errno!r} is not a number from 0 to {limit}")
    return action | errno


def _list(value: object, field: str) -> list[object]:
    if not isinstance(value, list | None):
        raise InvalidArgument(f"linux.seccomp.{field}: not a list")
    return value or []


def _rules(seccomp: Seccomp) -> Iterator[Rule]:
    for index, rule in enumerate(_list(seccomp.get("syscalls"), "syscalls")):
        yield parse_rule(rule, f"linux.seccomp.syscalls[{index}]")


def parse_rule(rule: object, where: str) -> Rule:
    """One entry of ``syscalls``; InvalidArgument or NotSupported names the broken place below ``where``."""
    if not isinstance(rule, dict):
        raise InvalidArgument(f"{where}: not an object")
    names = rule.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidArgument(f"{where}.names: not a list of names")
    action = _action(rule.get("action"), rule.get("errnoRet"), where)
    return names, action, parse_conditions(rule.get("args"), where)


def _tables(seccomp: Seccomp, machine: str) -> list[str]:
    family = _FAMILIES[machine]
    wanted = [machine]
    for index, name in enumerate(_list(seccomp.get("architectures"), "architectures")):
        if not isinstance(name, str) or name not in _KNOWN_ARCHITECTURES:
            raise InvalidArgument(f"linux.seccomp.architectures[{index}]: unknown architecture {name!r}")
        table = family.get(name)
        if table and table not in wanted:
            wanted.append(table)
    return wanted


def _sections(rules: list[Rule], default: int, tables: list[str]) -> dict[int, list[tuple[int, Leaf]]]:
    """AUDIT_ARCH_* → where each range of call numbers starts, and its answer."""
    sections = {_TOKENS[name]: _segments(rules, default, name) for name in tables if name != "x32"}
    token = _TOKENS["x86_64"]
    if token in sections:
        native = sections[token]
        rest = native[-1][1]
        foreign = _segments(rules, default, "x32") if "x32" in tables else [(X32_BIT, KILL_PROCESS)]
        # -1 is what a tracer makes of a call that it wants skipped; it has all bits, and is not of x32
        sections[token] = [*native, *foreign, (WORD, rest)]
    return sections


def _segments(rules: list[Rule], default: int, name: str) -> list[tuple[int, Leaf]]:
    table = numbers(name)
    start = X32_BIT if name == "x32" else 0
    leaves = _leaves(rules, default, name, table)
    named = [table[call] for names, _, _ in rules for call in names if call in table]
    beyond = default
    if named and default & 0x7FFF0000 not in _PERMISSIVE:
        beyond = ERRNO | _ENOSYS
    last = max(named, default=start)
    segments: list[tuple[int, Leaf]] = []
    following = start
    for number in sorted(leaves):
        if number > following:
            _extend(segments, following, default)
        _extend(segments, number, leaves[number])
        following = number + 1
    if following <= last:
        _extend(segments, following, default)
    _extend(segments, last + 1 if named else following, beyond)
    return segments


def _extend(segments: list[tuple[int, Leaf]], start: int, leaf: Leaf) -> None:
    if not segments or segments[-1][1] != leaf:
        segments.append((start, leaf))


def _leaves(rules: list[Rule], default: int, name: str, table: dict[str, int]) -> dict[int, Leaf]:
    """Call number → answer, for all that the rules name."""
    fixed: dict[int, int] = {}
    tried: dict[int, list[Alternative]] = {}
    narrow = name in ("i386", "arm")
    for names, action, alternatives in rules:
        if action == default:
            continue
        for call in names:
            number = table.get(call)
            if number is not None and not alternatives:
                fixed.setdefault(number, action)
            elif number is not None:
                tried.setdefault(number, []).extend((action, call, narrow, tuple(c)) for c in alternatives)
            if name == "i386" and call in _MULTIPLEXED:
                multiplexer, condition = _MULTIPLEXED[call]
                # the arguments proper lie in memory: a permission that depends on them is left out, a denial widened
                if not alternatives or action & 0x7FFF0000 not in _PERMISSIVE:
                    tried.setdefault(table[multiplexer], []).append((action, multiplexer, narrow, (condition,)))
    leaves: dict[int, Leaf] = {number: tuple(found) for number, found in tried.items() if number not in fixed}
    leaves.update(fixed)
    return leaves


def _search(segments: list[tuple[int, Leaf]], default: int) -> list[Instruction]:
    """Binary search by the call number in the accumulator."""
    if len(segments) == 1:
        leaf = segments[0][1]
        return [(_RETURN, 0, 0, leaf)] if isinstance(leaf, int) else conditional(leaf, default)
    middle = len(segments) // 2
    low, high = _search(segments[:middle], default), _search(segments[middle:], default)
    if len(low) < 256:
        return [(_IF_AT_LEAST, len(low), 0, segments[middle][0]), *low, *high]
    return [(_IF_AT_LEAST, 0, 1, segments[middle][0]), (_JUMP, 0, 0, len(low)), *low, *high]
