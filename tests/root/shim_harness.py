"""A zygote, a small root file system and helpers to run programs in it, for the tests of the shim."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from carrack.linux.mount import AT_FDCWD, OPEN_TREE_CLONE
from carrack.linux.syscalls import LINUX
from carrack.shim.client import ExecRequest, Shim, Slot, SlotPlan, StartRequest, Zygote, ZygoteSettings
from carrack.shim.requests import FileRequest

BUSYBOX = "/bin/busybox"
LOG: FileRequest = {"kind": "json-file", "name": "log", "max_size": 0, "max_file": 1}
DEFAULT_CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]
NAMESPACES = ("pid", "network", "ipc", "mount", "uts", "cgroup")
MOUNTS: list[dict[str, Any]] = [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
]


def make_root(path: Path) -> Path:
    """A root with busybox, its applets, and the usual directories."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root"):
        (path / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or BUSYBOX, path / "bin/busybox")
    applets = (
        "sh cat echo sleep true false ls stty head tail dd yes wc sed grep kill id test readlink mkdir tr ps stat chmod"
    )
    for applet in applets.split():
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\n")
    return path


class Harness:
    """One zygote with its own cgroup parent; ``close`` leaves nothing of it."""

    def __init__(self, directory: Path, python: str = sys.executable) -> None:
        self.directory = directory
        self.python = python
        self.root = make_root(directory / "root")
        self.parent = f"/crk-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.zygote: Zygote
        self._count = 0
        self._shims: list[Shim] = []

    async def open(self) -> "Harness":
        self.zygote = await Zygote.start(ZygoteSettings(str(self.directory / "run"), self.parent, self.python))
        return self

    async def close(self) -> None:
        pending = [shim.released for shim in self._shims if shim.exited.done()]
        await asyncio.wait_for(asyncio.gather(*pending), 10)
        await self.zygote.close()
        await asyncio.to_thread(remove_cgroups, self.parent)

    async def slot(self, **plan: Any) -> Slot:
        return await self.zygote.slot(SlotPlan(**{"namespaces": NAMESPACES, **plan}))

    def process(self, *arguments: str, terminal: bool = False) -> dict[str, Any]:
        return {
            "args": list(arguments),
            "env": ["PATH=/bin"],
            "cwd": "/",
            "terminal": terminal,
            "user": {"uid": 0, "gid": 0},
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), DEFAULT_CAPABILITIES),
        }

    def request(self, *arguments: str, terminal: bool = False, **more: Any) -> StartRequest:
        self._count += 1
        name = more.pop("name", f"c{self._count}")
        resources = more.pop("resources", {})
        namespaces = more.pop("namespaces", NAMESPACES)
        directory = self.directory / "run" / name
        directory.mkdir(parents=True, exist_ok=True)
        spec = {
            "ociVersion": "1.2.0",
            "process": self.process(*arguments, terminal=terminal),
            "root": {"path": "rootfs"},
            "hostname": name,
            "mounts": MOUNTS,
            "linux": {"namespaces": [{"type": kind} for kind in namespaces], "resources": resources},
        }
        request: StartRequest = {
            "container": name,
            "directory": str(directory),
            "plan": {"spec": spec, "rootfs_fd": 0},
            "cgroup": f"{self.parent}/{name}",
            "terminal": terminal,
            "log": {"directory": str(directory), "file": LOG},
            **more,  # type: ignore[typeddict-item]
        }
        return request

    async def start(self, request: StartRequest, *fds: int, slot: Slot | None = None) -> Shim:
        """Start it in the slot given or a fresh one, on a detached mount of the root as descriptor 0."""
        root_fd = LINUX.open_tree(AT_FDCWD, str(self.root), OPEN_TREE_CLONE)
        try:
            slot = slot or await self.slot()
            shim = await slot.start(request, [root_fd, *fds])
            self._shims.append(shim)
            return shim
        finally:
            os.close(root_fd)

    async def run(self, *arguments: str, **more: Any) -> tuple[int, str]:
        """Run to the end; exit code and log text."""
        request = self.request(*arguments, **more)
        shim = await self.start(request)
        exit = await shim.exited
        await shim.released
        return exit.code, self.log(request)

    async def attached(
        self, request: StartRequest, *, slot: Slot | None = None, **wishes: bool
    ) -> tuple[Shim, "Client"]:
        """Start with one attached client."""
        ours, theirs = socket.socketpair()
        request["attach"] = [{"fd": 1, **wishes}]  # type: ignore[typeddict-item]
        with theirs:
            shim = await self.start(request, theirs.fileno(), slot=slot)
        return shim, await Client.open(ours)

    def exec_request(self, *arguments: str, **more: Any) -> ExecRequest:
        process = self.process(*arguments, terminal=bool(more.get("terminal")))
        return {"plan": {"process": process}, **more}  # type: ignore[typeddict-item]

    def log(self, request: StartRequest) -> str:
        """Texts of all log entries, in order."""
        import json

        lines = (Path(request["directory"]) / "log").read_text().splitlines()
        return "".join(json.loads(line)["log"] for line in lines)


class Client:
    """The other end of an attached socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> "Client":
        sock.setblocking(False)
        return cls(*await asyncio.open_connection(sock=sock))

    async def frames(self) -> dict[int, bytes]:
        """All output up to the end, by stream number."""
        streams: dict[int, bytes] = {}
        while header := await self.reader.read(8):
            while len(header) < 8:
                header += await self.reader.readexactly(8 - len(header))
            size = int.from_bytes(header[4:], "big")
            streams[header[0]] = streams.get(header[0], b"") + await self.reader.readexactly(size)
        self.writer.close()
        return streams

    async def until(self, text: bytes) -> bytes:
        """Raw output up to and including a text."""
        return await asyncio.wait_for(self.reader.readuntil(text), 30)


def play(directory: Path, scene: Callable[[Harness], Awaitable[None]], python: str = sys.executable) -> None:
    """Run a scene with a harness in an event loop of its own."""

    async def run() -> None:
        harness = await Harness(directory, python).open()
        try:
            await asyncio.wait_for(scene(harness), 60)
        finally:
            await harness.close()

    asyncio.run(run())


def remove_cgroups(parent: str) -> None:
    """Remove what a test made below its own parent, its processes first if it failed half-way."""
    for _ in range(100):
        pids = [
            pid
            for path in Path(f"/sys/fs/cgroup/pids{parent}").rglob("cgroup.procs")
            for pid in path.read_text().split()
        ]
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)
        if not pids:
            break
        time.sleep(0.02)
    for tree in Path("/sys/fs/cgroup").iterdir():
        top = Path(f"{tree}{parent}")
        if top.is_dir():
            for directory in sorted(top.rglob("*"), reverse=True):
                if directory.is_dir():
                    directory.rmdir()
            top.rmdir()


def cgroups_of(parent: str) -> list[str]:
    """What stands below a parent in any tree."""
    return [str(path) for tree in Path("/sys/fs/cgroup").iterdir() for path in Path(f"{tree}{parent}").glob("*/")]
