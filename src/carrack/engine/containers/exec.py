"""Extra processes in a running container: made by one request, started by another, asked after by a third.

An exec is not recorded: it lives as long as its container runs, and a little longer so that its exit code can be
asked for. After a restart of the daemon the container's shim tells of those that it runs, or has seen end.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import socket
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carrack.engine import resources, spec
from carrack.engine.containers.attach import DetachKeys
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.create import attributes
from carrack.engine.containers.failures import exec_error, exit_code
from carrack.engine.containers.linking import Links
from carrack.engine.containers.start import seccomp_program
from carrack.engine.privileges import capabilities, security
from carrack.errors import Conflict, InvalidArgument, NotFound
from carrack.linux.caps import last_cap
from carrack.linux.syscalls import LINUX
from carrack.model import container as model
from carrack.model import schema
from carrack.model.container import Document
from carrack.oci.runtime_spec import Process
from carrack.runtime.inroot import Procfs
from carrack.runtime.users import identify, read_accounts
from carrack.shim.client import ExecRequest, Exit, StartFailed

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events
    from carrack.engine.jobs import Jobs
    from carrack.shim.client import Shim

ENDED_KEPT = 256
UNSTARTED_KEPT = 256  # of one container: who makes more and starts none has forgotten the first of them
#: what `exec inspect` shows, and a later daemon has to know
_SHOWN = ("AttachStdin", "AttachStdout", "AttachStderr", "DetachKeys", "Tty", "Cmd", "Privileged", "User")
START_PATIENCE_S = 10.0  # as dockerd


@dataclass(slots=True)
class Exec:
    """One exec; ``exit_code`` is None until it ended."""

    id: str
    container: Container
    config: Document
    pid: int = 0
    running: bool = False
    started: bool = False
    exit_code: int | None = None
    # Set when a start has succeeded or failed.
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    # Done when the end is recorded.
    watching: asyncio.Task[None] | None = None


class Execs:
    """All execs of this daemon."""

    def __init__(
        self, store: ContainerStore, events: Events, jobs: Jobs, given: ContainerDefaults | None = None
    ) -> None:
        self._given = given or ContainerDefaults()
        self._store = store
        self._links = Links(store)
        self._events = events
        self._jobs = jobs
        self._execs: OrderedDict[str, Exec] = OrderedDict()

    def create(self, reference: str, body: Document) -> Exec:
        """Prepare a process for a running container. Raises NotFound, Conflict, InvalidArgument."""
        config = schema.check(body, model.EXEC, "ExecOptions", "container.ExecOptions")
        if not config["Cmd"]:
            raise InvalidArgument("No exec command specified")
        DetachKeys(config["DetachKeys"], "escape")  # refused now rather than when the program runs
        c = self._store.find(reference)
        if c.state.status == "paused":
            raise Conflict(f"Container {reference} is paused, unpause the container before exec")
        _check_running(c)
        if config["User"]:
            _check_user(c, config["User"])
        process = Exec(secrets.token_hex(32), c, config)
        self._execs[process.id] = process
        c.exec_ids.append(process.id)
        self._forget_unstarted(c)
        self._publish(f"exec_create: {_told(config)}", process)
        return process

    def adopt(self) -> None:
        """Take up the execs that the shims of running containers tell of, after a restart of the daemon."""
        for c in self._store:
            told = c.shim.state.get("execs", {}) if c.shim is not None else {}
            for identity, known in told.items():
                if known.get("note") is not None and c.shim is not None:
                    self._adopt(c, c.shim, identity, known)

    def _adopt(self, c: Container, shim: Shim, identity: str, known: Document) -> None:
        process = Exec(identity, c, schema.check(known["note"], model.EXEC), pid=known["pid"], started=True)
        process.settled.set()
        self._execs[identity] = process
        if known["exit"] is not None:
            process.exit_code = known["exit"]["code"]
            return
        process.running = True
        c.exec_ids.append(identity)
        process.watching = self._jobs.start(self._watch(process, shim), f"exec {identity[:12]}")

    def _forget_unstarted(self, c: Container) -> None:
        unstarted = [identity for identity in c.exec_ids if not self._execs[identity].started]
        for identity in unstarted[:-UNSTARTED_KEPT]:
            c.exec_ids.remove(identity)
            del self._execs[identity]

    def find(self, identity: str) -> Exec:
        """The exec of that id. Raises NotFound."""
        if identity not in self._execs:
            raise NotFound(f"No such exec instance: {identity}")
        return self._execs[identity]

    def check(self, process: Exec) -> None:
        """Raise Conflict when the exec was started before or its container does not run."""
        if process.started:
            raise Conflict(
                f"exec command {process.id} " + ("is already running" if process.running else "has already run")
            )
        _check_running(process.container)

    async def start(self, process: Exec, body: Document, attach: bool) -> socket.socket | None:
        """Run it; returns our end of its streams when ``attach``, else None.

        Raises Conflict when it was started before or its container does not run, and the runtime's failure.
        """
        start = schema.check(body, model.EXEC_START, "ExecStartOptions", "container.ExecStartOptions")
        c, config = process.container, process.config
        self.check(process)
        assert c.shim is not None
        shim = c.shim
        self._check_directory(process)
        request = self._request(process, start["ConsoleSize"] or config["ConsoleSize"])
        if attach:
            streams = {name: config["Attach" + name.capitalize()] for name in ("stdin", "stdout", "stderr")}
            request["attach"] = [{"fd": 0, **streams}]  # type: ignore[typeddict-item]
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process.started = True
        self._publish(f"exec_start: {_told(config)}", process)
        try:
            process.pid = await shim.exec(process.id, request, [theirs.fileno()] if attach else [])
        except StartFailed as failure:
            ours.close()
            self._ended(process, exit_code(failure))
            raise exec_error(failure, c.id) from failure
        except BaseException as failure:
            ours.close()
            self._ended(process, 126)
            if isinstance(failure, NotFound) and shim.exited.done():
                raise Conflict(f"container {c.id} is not running") from failure
            raise
        finally:
            theirs.close()
        process.running = True
        process.settled.set()
        process.watching = self._jobs.start(self._watch(process, shim), f"exec {process.id[:12]}")
        if not attach:
            ours.close()
            return None
        return ours

    def _check_directory(self, process: Exec) -> None:
        directory = process.config["WorkingDir"]
        if directory and not directory.startswith("/"):
            process.started = True
            self._ended(process, 128)
            raise InvalidArgument("OCI runtime exec failed: exec failed: Cwd must be an absolute path")

    def _request(self, process: Exec, size: list[int] | None) -> ExecRequest:
        c, config = process.container, process.config
        names = capabilities(
            {**c.host_config, "Privileged": config["Privileged"] or c.host_config["Privileged"]}, last_cap()
        )
        own = [*(c.config["Env"] or []), *(config["Env"] or [])]
        guard = security(c.host_config, self._given.security)
        words: Process = {
            "terminal": config["Tty"],
            "args": config["Cmd"],
            "env": spec.environment({**c.config, "Tty": config["Tty"], "Env": own}, self._links.environment(c)),
            "cwd": config["WorkingDir"] or c.config["WorkingDir"] or "/",
            "capabilities": spec.capability_sets(names),
            "noNewPrivileges": guard.no_new_privileges,
            "rlimits": resources.rlimits(c.host_config, self._given.ulimits),
            "user": {"uid": 0, "gid": 0},
        }  # fmt: skip
        if c.host_config["OomScoreAdj"]:
            words["oomScoreAdj"] = c.host_config["OomScoreAdj"]
        if label := spec.process_label(c):
            words["selinuxLabel"] = label
        if guard.apparmor:  # the container's, for a privileged process too
            words["apparmorProfile"] = guard.apparmor
        plan: dict[str, Any] = {
            "process": words,
            "user": config["User"] or c.config["User"],
            "groups": c.host_config["GroupAdd"] or [],
        }
        program = seccomp_program(c, self._given.security)  # the container's, for a privileged process too
        if program is not None:
            plan["seccomp_program"] = base64.b64encode(program).decode()
        return {
            "plan": plan,
            "stdin": config["AttachStdin"],
            "terminal": config["Tty"],
            "size": size if config["Tty"] and size and all(size) else None,
            "note": {name: config[name] for name in _SHOWN},
        }

    async def _watch(self, process: Exec, shim: Shim) -> None:
        ended: Exit = await shim.exec_exited(process.id)
        self._ended(process, ended.code)
        self._publish("exec_die", process, {"exitCode": str(ended.code)})

    def _ended(self, process: Exec, code: int) -> None:
        process.running, process.exit_code = False, code
        process.settled.set()
        if process.id in process.container.exec_ids:
            process.container.exec_ids.remove(process.id)
        ended = [identity for identity, e in self._execs.items() if e.exit_code is not None]
        for identity in ended[:-ENDED_KEPT]:
            del self._execs[identity]

    async def resize(self, process: Exec, height: int, width: int) -> None:
        """Tell a running exec's terminal its size in characters. Raises Conflict when it does not run.

        Clients ask for this beside their request to start, so one that is not started yet is waited for a while.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_PATIENCE_S):
                await process.settled.wait()
        shim = process.container.shim
        if not process.running or shim is None:
            raise Conflict(f"exec {process.id} is not running")
        await shim.resize(height, width, process.id)

    def forget(self, c: Container) -> None:
        """Drop the execs of a container that is gone."""
        for identity in [i for i, e in self._execs.items() if e.container is c]:
            del self._execs[identity]

    def document(self, process: Exec) -> Document:
        """What `exec inspect` shows."""
        config = process.config
        user, keys = config["User"], config["DetachKeys"]
        return {
            "ID": process.id,
            "Running": process.running,
            "ExitCode": process.exit_code,
            "ProcessConfig": {
                "tty": config["Tty"],
                "entrypoint": config["Cmd"][0],
                "arguments": config["Cmd"][1:],
                "privileged": config["Privileged"],
                **({"user": user} if user else {}),
            },
            "OpenStdin": config["AttachStdin"],
            "OpenStderr": config["AttachStderr"],
            "OpenStdout": config["AttachStdout"],
            "CanRemove": False,
            "ContainerID": process.container.id,
            "DetachKeys": base64.b64encode(DetachKeys(keys).sequence).decode() if keys else "",
            "Pid": process.pid,
        }

    def left(self, process: Exec) -> None:
        """Tell that its client has left it by the keys for that; it goes on."""
        self._publish("exec_detach", process)

    def _publish(self, action: str, process: Exec, more: dict[str, str] | None = None) -> None:
        c = process.container
        self._events.publish("container", action, c.id, {**attributes(c), "execID": process.id, **(more or {})})


def _told(config: Document) -> str:
    """The program, a blank, and its arguments, though there be none: as Docker's events have it."""
    return f"{config['Cmd'][0]} {' '.join(config['Cmd'][1:])}"


def _check_user(c: Container, user: str) -> None:
    """Refuse a user that the running container's own files do not know; a 404 would mean the container."""
    try:
        root = os.open(f"/proc/{c.state.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return  # it has just ended, as the start will tell
    try:
        identify(user, (), read_accounts(LINUX, Procfs(LINUX), root))
    except NotFound as error:
        raise InvalidArgument(str(error)) from error
    finally:
        os.close(root)


def _check_running(c: Container) -> None:
    if c.state.status == "paused":
        raise Conflict(f"Container {c.id} is paused, unpause the container before exec")
    if c.state.status == "restarting":
        raise Conflict(f"container {c.id} is restarting, wait until the container is running")
    if not c.state.running or c.shim is None:
        raise Conflict(f"container {c.id} is not running")
