"""What makes a process of ours into the container's program: limits, identity, privileges, and its start.

Each function does one thing to the calling process, in an order that init.py and exec.py fix. Words of errors are
those that runc's users know. Sources: OCI runtime spec config.md "process", capabilities(7), seccomp(2), prctl(2).
"""

from __future__ import annotations

import base64
import errno
import os
import resource
import signal

from carrack.errors import CarrackError, Forbidden, InvalidArgument, NotFound
from carrack.linux import caps
from carrack.linux.rlimits import RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from carrack.linux.kernel import ProcessKernel
    from carrack.oci.runtime_spec import Capabilities, Process, Seccomp
    from carrack.runtime.inroot import Procfs
    from carrack.runtime.users import Identity

    _Kind = Literal["bounding", "effective", "permitted", "inheritable", "ambient"]

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP = 4, 8, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 38, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_CLOSE_RANGE_CLOEXEC = 4
_MAX_FD = 0xFFFFFFFF
_SECCOMP_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}
_POLICIES = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_IDLE": 5}


def hide(kernel: ProcessKernel) -> None:
    """No other process may trace us, or reopen our descriptors and executable through /proc, until execve."""
    kernel.prctl(_PR_SET_DUMPABLE, 0)


def new_session(kernel: ProcessKernel, name: str) -> None:
    """A session of our own, and a keyring that shares nothing with the caller's (where keyrings can be had)."""
    try:
        os.setsid()
    except PermissionError:  # we lead one already
        pass
    try:
        kernel.keyctl_join(name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EDQUOT, errno.EACCES):
            raise


class Unasked:
    """What a process gets that nothing was said about; None: what whoever starts it has."""

    oom_score_adj: int | None = None


def expose_to_oom_killer(procfs_root: str = "/proc") -> None:
    """From now on containers do not inherit the protection that an administrator gave the engine alone."""
    with open(f"{procfs_root}/self/oom_score_adj") as file:
        Unasked.oom_score_adj = 0 if int(file.read()) < 0 else None


def set_oom_score_adj(process: Process, procfs: Procfs) -> None:
    """Lowering it needs CAP_SYS_RESOURCE."""
    wanted = process.get("oomScoreAdj", Unasked.oom_score_adj)
    if wanted is None or int(procfs.read("self/oom_score_adj")) == wanted:
        return
    try:
        procfs.write("self/oom_score_adj", str(wanted))
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        raise OSError(error.errno, f"write /proc/self/oom_score_adj: {text} (value {wanted})") from None


def set_rlimits(process: Process) -> None:
    """Raising a hard limit needs CAP_SYS_RESOURCE."""
    for limit in process.get("rlimits", ()):
        kind = RLIMITS.get(limit["type"])
        if kind is None:
            raise InvalidArgument(f"unknown rlimit {limit['type']!r}")
        try:
            resource.setrlimit(kind, (_limit(limit["soft"]), _limit(limit["hard"])))
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None) or (errno.EPERM if "not allowed" in str(error) else errno.EINVAL)
            text = os.strerror(number).lower()
            soft_hard = f"{limit['type']} {limit['soft']}:{limit['hard']}"
            raise OSError(number, f"error setting rlimit type {kind}: {text} ({soft_hard})") from None


def raise_hard_limits(process: Process, pid: int = 0) -> None:
    """Of a process (0: this one) on its way into a user namespace, where nobody can raise them any more; the limits
    themselves are set there. Without CAP_SYS_RESOURCE nothing is done here: that will tell."""
    for limit in process.get("rlimits", ()):
        kind = RLIMITS.get(limit["type"], -1)
        hard = _limit(limit["hard"])
        try:
            soft, now = resource.prlimit(pid, kind)
            if now != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard > now):
                resource.prlimit(pid, kind, (soft, hard))
        except (OSError, ValueError):
            continue


def _limit(value: int) -> int:
    """RLIM_INFINITY travels as 2^64-1 in JSON and is -1 here; Python takes nothing between 2^63 and it."""
    return resource.RLIM_INFINITY if value >= 2**63 or value == -1 else value


def set_scheduling(process: Process) -> None:
    """Scheduling policy and nice value; deadlines and I/O classes are refused when the bundle is checked."""
    scheduler: dict[str, Any] = dict(process.get("scheduler") or {})
    if not scheduler:
        return
    policy = _POLICIES.get(str(scheduler.get("policy")))
    if policy is None:
        raise InvalidArgument(f"process.scheduler.policy: {scheduler.get('policy')!r} is not supported")
    os.sched_setscheduler(0, policy, os.sched_param(int(scheduler.get("priority", 0))))
    if scheduler.get("nice"):
        os.setpriority(os.PRIO_PROCESS, 0, int(scheduler["nice"]))


def drop_bounding(kernel: ProcessKernel, capabilities: Capabilities, last_cap: int) -> None:
    """Take away from the bounding set, for good, what the spec does not leave in it."""
    kept = caps.mask(capabilities.get("bounding", []))
    for number in range(last_cap + 1):
        if not kept >> number & 1:
            kernel.prctl(_PR_CAPBSET_DROP, number)


def become(kernel: ProcessKernel, identity: Identity) -> None:
    """Take the identity, keeping permitted capabilities over the change for take_capabilities()."""
    kernel.prctl(_PR_SET_KEEPCAPS, 1)
    what = f"setgroups to unmapped gids {identity.groups}"
    try:
        _set_groups(identity)
        what = f"setgid to unmapped gid {identity.gid}"
        os.setresgid(identity.gid, identity.gid, identity.gid)
        what = f"setuid to unmapped uid {identity.uid}"
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise InvalidArgument(f"unable to setup user: cannot {what} in user namespace") from None
    kernel.prctl(_PR_SET_KEEPCAPS, 0)
    hide(kernel)  # a change of ids resets it


def _set_groups(identity: Identity) -> None:
    try:
        os.setgroups(identity.groups)
    except PermissionError:
        if identity.groups not in ([], [identity.gid]):  # in a user namespace that forbids setgroups
            raise


def take_capabilities(kernel: ProcessKernel, capabilities: Capabilities) -> None:
    """The final sets; what the kernel refuses, because we never had it, is named."""
    effective = caps.mask(capabilities.get("effective", []))
    permitted = caps.mask(capabilities.get("permitted", []))
    try:
        kernel.capset(effective, permitted, caps.mask(capabilities.get("inheritable", [])))
    except PermissionError as error:
        listed = " ".join(caps.names(permitted))
        raise OSError(error.errno, f"unable to apply caps: {os.strerror(errno.EPERM).lower()} ({listed})") from None
    kernel.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    for name in capabilities.get("ambient", []):
        kernel.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, caps.mask([name]).bit_length() - 1)


def allowed_capabilities(capabilities: Capabilities, ours: int) -> Capabilities:
    """The sets without what this process does not have itself, so that a machine that lacks one can still start.

    runc warns and goes on in the same way; ``--privileged`` asks for all that exist.
    """
    kinds: tuple[_Kind, ...] = ("bounding", "effective", "permitted", "inheritable", "ambient")
    result: Capabilities = {}
    for kind in kinds:
        if kind in capabilities:
            result[kind] = [name for name in capabilities[kind] if caps.mask([name]) & ours]
    return result


def permitted_mask(procfs: Procfs) -> int:
    """CapPrm of this process."""
    for line in procfs.read("self/status", 16384).splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def no_new_privileges(kernel: ProcessKernel) -> None:
    """execve gives nothing any more; never to be undone."""
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def seccomp_program(program: str | None, profile: Seccomp | None) -> tuple[bytes, int] | None:
    """The filter (ready made in base64, else compiled from the profile) and its flags; None when there is none."""
    flags = 0
    for name in (profile or {}).get("flags", ()):
        if name not in _SECCOMP_FLAGS:
            raise InvalidArgument(f"linux.seccomp.flags: {name!r} is not supported")
        flags |= _SECCOMP_FLAGS[name]
    if profile and profile.get("listenerPath"):
        raise InvalidArgument("linux.seccomp.listenerPath: seccomp notification is not supported")
    if program is not None:
        return base64.b64decode(program), flags
    if not profile:
        return None
    from carrack.linux.seccomp import compile_profile  # the zygote hands programs over ready made

    return compile_profile(profile, os.uname().machine), flags


def enter_directory(path: str) -> None:
    """chdir, then make sure that where we are is inside our root (CVE-2024-21626)."""
    try:
        os.chdir(path or "/")
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        raise OSError(error.errno, f'chdir to cwd ("{path}") set in config.json failed: {text}') from None
    check_directory()


def check_directory() -> None:
    """getcwd(2) of a directory outside the root does not begin with a slash, and the C library calls that ENOENT."""
    try:
        inside = os.getcwd().startswith("/")
    except OSError:
        inside = False
    if not inside:
        raise Forbidden(
            "current working directory is outside of container mount namespace root "
            "-- possible container breakout detected"
        )


def reset_signals() -> None:
    """The interpreter ignores some signals and may have others blocked; execve would pass both on."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_others(kernel: ProcessKernel, preserved: int = 0) -> None:
    """Everything above the standard streams (and that many preserved ones) closes on execve; the preserved stay."""
    kernel.close_range(3 + preserved, _MAX_FD, _CLOSE_RANGE_CLOEXEC)
    for fd in range(3, 3 + preserved):
        os.set_inheritable(fd, True)


def environment(process: Process, home: str) -> dict[str, str]:
    """The spec's variables, the last of a name wins, and HOME when it is missing or empty."""
    result: dict[str, str] = {}
    for item in process.get("env", ()):
        name, equals, value = item.partition("=")
        if not equals or not name or "\0" in item:
            raise InvalidArgument(f"invalid environment variable: {item!r}")
        result[name] = value
    if not result.get("HOME"):
        result["HOME"] = home
    return result


def execute(path: str, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
    """execve; returns never. NotFound or Forbidden in runc's words."""
    try:
        os.execve(path, list(arguments), dict(variables))
    except OSError as error:
        text = f"exec {path}: {os.strerror(error.errno or 0).lower()}"
        kind: type[CarrackError] = NotFound if error.errno == errno.ENOENT else Forbidden
        raise kind(text) from None
    except ValueError as error:
        raise Forbidden(f"exec {path}: {error}") from None
