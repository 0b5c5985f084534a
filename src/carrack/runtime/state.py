"""What carrack-runtime remembers of its containers between two commands.

::

    ROOT/                     default /run/carrack-runtime, 0700
      ID/
        state.json            written whole, by rename; first without a pid, so that a crash leaves a trace to clean
        config.json           the spec as it was obeyed
        init.sock             the gate where a created container's init waits; gone once it has started

A process is identified by pid and start time: a pid alone may have been given to another.
"""

from __future__ import annotations

import json
import os
import re

from carrack.errors import Conflict, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.oci.runtime_spec import Spec
    from carrack.runtime.cgroups.hierarchy import Cgroup

OCI_VERSION = "1.2.0"
_ID = re.compile(r"[A-Za-z0-9_+\-.]{1,1024}")


def check_id(container: str) -> str:
    """The id itself; InvalidArgument when it cannot be the name of a directory of ours."""
    if not _ID.fullmatch(container) or container in (".", ".."):
        raise InvalidArgument(f"invalid container id format: {container!r}")
    return container


class State:
    """One container's record and directory."""

    def __init__(self, directory: str, record: dict[str, Any]) -> None:
        self.directory = directory
        self.record = record

    @property
    def id(self) -> str:
        """The container's id."""
        return str(self.record["id"])

    @property
    def pid(self) -> int:
        """The pid of its first process; 0 while there is none."""
        return int(self.record.get("pid", 0))

    @property
    def socket_path(self) -> str:
        """Where its init waits to be started."""
        return f"{self.directory}/init.sock"

    def spec(self) -> Spec:
        """The spec that it was made from."""
        with open(f"{self.directory}/config.json", "rb") as file:
            spec: Spec = json.loads(file.read())
        return spec

    def save(self) -> None:
        """Replace the record on disk."""
        write_durably(f"{self.directory}/state.json", json.dumps(self.record).encode())

    def alive(self) -> bool:
        """Whether the first process is there and no zombie."""
        return self.pid > 0 and start_time(self.pid) == self.record.get("start_time")

    def status(self, cgroup: Cgroup | None) -> str:
        """creating, created, running, paused or stopped (runtime spec, "State")."""
        if not self.pid:
            return "creating"
        if not self.alive():
            return "stopped"
        if os.path.exists(self.socket_path):
            return "created"
        return "paused" if cgroup is not None and cgroup.frozen() else "running"

    def document(self, cgroup: Cgroup | None) -> dict[str, Any]:
        """The state as the spec shows it, and as runc adds to it."""
        status = self.status(cgroup)
        return {
            "ociVersion": OCI_VERSION,
            "id": self.id,
            "pid": 0 if status == "stopped" else self.pid,
            "status": status,
            "bundle": self.record["bundle"],
            "rootfs": self.record["rootfs"],
            "created": self.record["created"],
            "owner": "",
            **({"annotations": self.record["annotations"]} if self.record.get("annotations") else {}),
        }

    def remove(self) -> None:
        """Forget the container; the record goes last, so that an interrupted removal can be repeated."""
        for name in sorted(os.listdir(self.directory), key="state.json".__eq__):
            os.unlink(f"{self.directory}/{name}")
        os.rmdir(self.directory)


class StateRoot:
    """The directory of all containers."""

    def __init__(self, root: str) -> None:
        self.root = root

    def create(self, container: str, record: dict[str, Any], spec: Spec) -> State:
        """A new directory with its record; Conflict when the id is taken."""
        os.makedirs(self.root, 0o700, exist_ok=True)
        directory = f"{self.root}/{check_id(container)}"
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            raise Conflict(f"container with given ID already exists: {container}") from None
        state = State(directory, {"id": container, **record})
        state.save()
        write_durably(f"{directory}/config.json", json.dumps(spec).encode())
        return state

    def open(self, container: str) -> State:
        """An existing container; NotFound in runc's words."""
        directory = f"{self.root}/{check_id(container)}"
        try:
            with open(f"{directory}/state.json", "rb") as file:
                record = json.loads(file.read())
        except (FileNotFoundError, NotADirectoryError):
            if os.path.isdir(directory):  # died between mkdir and the first record
                return State(directory, {"id": container, "pid": 0, "bundle": "", "rootfs": "", "created": ""})
            raise NotFound("container does not exist") from None
        except ValueError as error:
            raise InvalidArgument(f"{directory}/state.json is damaged: {error}") from None
        return State(directory, record)

    def all(self) -> list[State]:
        """Every container, by id."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []
        found: list[State] = []
        for name in names:
            try:
                found.append(self.open(name))
            except (NotFound, InvalidArgument):
                continue
        return found


def start_time(pid: int, proc: str = "/proc") -> int:
    """When a process started, in ticks since boot (proc_pid_stat(5), field 22); -1 for a zombie or none at all."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return -1
    return -1 if fields[0] in (b"Z", b"X") else int(fields[19])


def write_durably(path: str, content: bytes) -> None:
    """Write beside, sync, rename, sync the directory."""
    temporary = f"{path}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
