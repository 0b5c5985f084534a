"""exec, ps: further processes of a container."""

from __future__ import annotations

import json
import os
import subprocess

from carrack.errors import Conflict, InvalidArgument
from carrack.runtime import bundle, channel, devices, exec, foreground, users
from carrack.runtime import state as states
from carrack.runtime.commands.context import Context, Verb, send_console
from carrack.runtime.create import StartFailed
from carrack.runtime.flags import LIST, NUMBER, SWITCH, VALUE
from carrack.runtime.lifecycle import cgroup_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from carrack.oci.runtime_spec import Process, Spec
    from carrack.runtime.exec import ExecPlan
    from carrack.runtime.flags import Flags


def _exec(context: Context, flags: Flags) -> int:
    if not flags.positional:
        raise InvalidArgument(f"a container is needed. Usage: {EXEC.usage}")
    state = context.root.open(flags.positional[0])
    cgroup = cgroup_of(context.kernel, state)
    status = state.status(cgroup)
    if status not in ("running", "created"):
        hint = " (use --ignore-paused to override)" if status == "paused" else ""
        if status != "paused" or not flags.has("ignore-paused"):
            raise Conflict(f"cannot exec in a {status} container{hint}")
    plan = _plan(state.spec(), flags)
    plan["stdio"] = devices.standard_streams(context.kernel)
    take = send_console(flags.value("console-socket")) if flags.value("console-socket") else None
    masters: list[int] = []
    if plan["process"].get("terminal") and take is None:
        if flags.has("detach"):
            raise InvalidArgument("cannot allocate tty if runtime will detach without setting console socket")
        take = masters.append
    target = exec.Target(state.pid, context.kernel.pidfd_open(state.pid), cgroup)
    if not state.alive():  # checked after the pidfd was opened: it is the right process
        raise Conflict("cannot exec in a stopped container")
    if not flags.has("detach"):
        foreground.hold_signals()
    ours, theirs = channel.pair()
    intermediate = os.fork()
    if intermediate == 0:
        ours.close()
        exec.join(context.kernel, target, plan, theirs)
    theirs.close()
    with ours:
        pid = _converse(ours, take)
    os.waitpid(intermediate, 0)
    if flags.value("pid-file"):
        states.write_durably(flags.value("pid-file"), str(pid).encode())
    if flags.has("detach"):
        return 0
    return foreground.wait(pid, masters[0] if masters else -1)


def _converse(sock: socket.socket, take_console: object) -> int:
    """The pid of the process once it runs its program; StartFailed with what it said else."""
    pid = 0
    while True:
        message, fds = channel.receive(sock)
        if message is None:
            if not pid:
                raise StartFailed({"message": "the helper process ended unexpectedly"})
            return pid
        if "error" in message:
            failure = StartFailed(message["error"])
            failure.args = (f"exec failed: unable to start container process: {message['error'].get('message')}",)
            raise failure
        if "pid" in message:
            pid = int(message["pid"])
        elif "console" in message and callable(take_console):
            take_console(fds.pop(0))
        for fd in fds:
            os.close(fd)


def _plan(spec: Spec, flags: Flags) -> ExecPlan:
    document: Process
    if flags.value("process"):
        with open(flags.value("process"), "rb") as file:
            document = bundle.process(file.read(bundle.CONFIG_LIMIT), flags.value("process"))
    else:
        document = _process(spec, flags)
    plan: ExecPlan = {
        "process": document,
        "stdio": [0, 1, 2],
        "preserve_fds": flags.number("preserve-fds"),
    }
    if spec.get("linux", {}).get("seccomp"):
        plan["seccomp"] = spec["linux"]["seccomp"]
    return plan


def _process(spec: Spec, flags: Flags) -> Process:
    """The container's own process with the flags' changes, as runc's exec does."""
    if len(flags.positional) < 2:
        raise InvalidArgument("process args cannot be empty")
    document: Process = {**spec["process"], "args": flags.positional[1:], "terminal": flags.has("tty")}
    document["env"] = [*document.get("env", []), *flags.values("env")]
    if flags.value("cwd"):
        document["cwd"] = flags.value("cwd")
    if flags.value("apparmor"):
        document["apparmorProfile"] = flags.value("apparmor")
    if flags.value("process-label"):
        document["selinuxLabel"] = flags.value("process-label")
    if flags.has("no-new-privs"):
        document["noNewPrivileges"] = True
    capabilities = document.get("capabilities", {})
    added = flags.values("cap")
    document["capabilities"] = {
        **capabilities,
        "bounding": [*capabilities.get("bounding", []), *added],
        "effective": [*capabilities.get("effective", []), *added],
        "permitted": [*capabilities.get("permitted", []), *added],
    }
    document["user"] = {**document.get("user", {})}
    if flags.value("user"):
        uid, _, gid = flags.value("user").partition(":")
        document["user"]["uid"], document["user"]["gid"] = _id(uid), _id(gid or "0")
    if flags.values("additional-gids"):
        document["user"]["additionalGids"] = [_id(word) for word in flags.values("additional-gids")]
    return document


def _id(word: str) -> int:
    if not (word.isascii() and word.isdigit()) or int(word) > users.ID_LIMIT:
        raise InvalidArgument(f"invalid uid or gid {word!r}: a number in 0-{users.ID_LIMIT} is needed")
    return int(word)


def _ps(context: Context, flags: Flags) -> int:
    if not flags.positional:
        raise InvalidArgument(f"a container is needed. Usage: {PS.usage}")
    state = context.root.open(flags.positional[0])
    cgroup = cgroup_of(context.kernel, state)
    pids = cgroup.processes() if cgroup is not None else []
    if flags.value("format", "table") == "json":
        print(json.dumps(pids))
        return 0
    options = flags.positional[1:] or ["-ef"]
    listed = subprocess.run(["ps", *options], capture_output=True, text=True, check=False)
    if listed.returncode:
        raise InvalidArgument(f"ps {' '.join(options)}: {listed.stderr.strip()}")
    lines = listed.stdout.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidArgument("couldn't find PID field in ps output")
    column = titles.index("PID")
    print(lines[0])
    for line in lines[1:]:
        fields = line.split()
        if len(fields) > column and fields[column].isdigit() and int(fields[column]) in pids:
            print(line)
    return 0


EXEC = Verb(
    _exec,
    "exec [-t] [-d] [-p FILE] [--console-socket PATH] [--pid-file PATH] [--cwd DIR] [-u UID[:GID]] ID CMD [ARG...]",
    {
        "tty": SWITCH,
        "detach": SWITCH,
        "process": VALUE,
        "console-socket": VALUE,
        "pid-file": VALUE,
        "cwd": VALUE,
        "user": VALUE,
        "additional-gids": LIST,
        "env": LIST,
        "cap": LIST,
        "apparmor": VALUE,
        "process-label": VALUE,
        "no-new-privs": SWITCH,
        "no-subreaper": SWITCH,
        "preserve-fds": NUMBER,
        "ignore-paused": SWITCH,
    },
    {"t": "tty", "d": "detach", "p": "process", "u": "user", "g": "additional-gids", "e": "env", "c": "cap"},
)
PS = Verb(_ps, "ps [--format table|json] ID [ps options]", {"format": VALUE}, {"f": "format"})
