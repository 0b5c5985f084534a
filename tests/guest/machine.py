"""The guest as a machine: qemu by software emulation, the host's files by virtiofs, a disk of its own, a way back.

Emulation is some 40 times slower than the processor but runs everywhere. The guest's console is our output as it
comes. What it found comes back as a tar archive through a serial port; an end without it is a failure, whatever qemu
says: a kernel that panics or hangs never writes it.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.guest.initramfs import initramfs
from tests.guest.kernels import GuestKernel, Lacking

_MEMORY = "3G"
_DISK_BYTES = 4 << 30
_VIRTIOFSD = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")
_INSIDE = Path(__file__).with_name("inside.py")


class GuestFailed(Exception):
    """The guest ended, or was ended, without an answer. Its console has been shown as it came."""


@dataclass(frozen=True)
class Answer:
    """``status``: the job's exit status; ``files``: what it left in its results folder, by name."""

    status: int
    files: Mapping[str, bytes]


class Machine:
    """One guest; ``work`` is a folder for its disk and sockets, on a disk of the host. ``security``: which of the
    kernel's big security modules runs, of which there can be one only."""

    def __init__(self, kernel: GuestKernel, work: Path, security: str = "apparmor") -> None:
        self._kernel = kernel
        self._work = work
        self._security = security
        self._qemu = _program("qemu-system-x86_64", "/usr/bin/qemu-system-x86_64")
        self._virtiofsd = _program("virtiofsd", *_VIRTIOFSD)
        if platform.machine() != "x86_64":
            raise Lacking(
                f"the guest is an x86_64 machine with the programs of its host, which is {platform.machine()}"
            )

    def run(self, job: Mapping[str, object], seconds: float) -> Answer:
        """Boot, run one job (see inside.py) and take its answer. GuestFailed when none comes within that time."""
        (self._work / "initramfs").write_bytes(initramfs(self._kernel))
        (self._work / "job.json").write_text(json.dumps({**job, "modules": str(self._kernel.modules)}))
        _make_disk(self._work / "disk")
        with ExitStack() as stack:
            socket = stack.enter_context(self._shared_root())
            begun = time.monotonic()
            status = watch(self._command(socket), seconds)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = f"{time.monotonic() - begun:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processors"
        print(f"guest: {self._kernel.release} ran for {took}", flush=True)
        return read_answer(self._work / "answer", status, seconds)

    def _command(self, socket: Path) -> list[str]:
        script = ",".join([sys.executable, str(_INSIDE), str(self._work / "job.json")])
        words = "console=ttyS0 loglevel=3 panic=-1 cgroup_no_v1=all mitigations=off"
        options = {
            "-machine": "q35,memory-backend=memory",
            "-accel": "tcg,thread=multi",
            "-cpu": "max",
            "-smp": "2",
            "-m": _MEMORY,
            "-object": f"memory-backend-memfd,id=memory,size={_MEMORY},share=on",
            "-kernel": str(self._kernel.image),
            "-initrd": str(self._work / "initramfs"),
            "-append": f"{words} security={self._security} guest={script}",
            "-serial": "stdio",
            "-drive": f"file={self._work / 'disk'},if=virtio,format=raw,cache=unsafe",
        }
        devices = [
            f"-chardev socket,id=files,path={socket} -device vhost-user-fs-pci,chardev=files,tag=host",
            f"-chardev file,id=answer,path={self._work / 'answer'}",
            "-device virtio-serial-pci -device virtserialport,chardev=answer,name=answer",
        ]
        plain = ["-nodefaults", "-display", "none", "-no-reboot", *" ".join(devices).split()]
        return [self._qemu, *(word for option in options.items() for word in option), *plain]

    @contextmanager
    def _shared_root(self) -> Iterator[Path]:
        """The host's root for the guest to read, from a process that can see nothing else."""
        socket, log = self._work / "files.sock", self._work / "virtiofsd.log"
        command = [self._virtiofsd, f"--socket-path={socket}"]
        if "libexec" in self._virtiofsd:  # the one of its own package
            command += ["--shared-dir=/", "--cache=always", "--sandbox=chroot", "--readonly"]
        else:  # the one that came with qemu until version 7
            command += ["-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            for _ in range(200):
                if socket.exists():
                    break
                if process.poll() is not None:
                    raise Lacking(f"virtiofsd does not run here: {log.read_text().strip()[-500:]}")
                time.sleep(0.05)
            yield socket
        finally:
            process.kill()
            process.wait()


def _program(*places: str) -> str:
    for place in places:
        if found := shutil.which(place):
            return found
    raise Lacking(f"{places[0]} is not installed: scripts/setup --dev installs it on Debian")


def _make_disk(path: Path) -> None:
    """An empty ext4 file system, sparse."""
    with path.open("wb") as file:
        file.truncate(_DISK_BYTES)
    mkfs = _program("mkfs.ext4", "/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4")
    subprocess.run([mkfs, "-q", "-F", "-E", "nodiscard", str(path)], check=True, capture_output=True)


def watch(command: list[str], seconds: float) -> int | None:
    """Run qemu with its console as our output; its status, or None when it had to be ended after that time."""
    # a session of its own: Ctrl-C reaches us alone, and we end qemu
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_copy, args=(process.stdout,))
    reader.start()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def _copy(source: IO[bytes]) -> None:
    while data := os.read(source.fileno(), 65536):
        print(data.decode("utf-8", "replace").replace("\r", ""), end="", flush=True)


def read_answer(path: Path, status: int | None, seconds: float) -> Answer:
    """The archive that the guest sent last of all. GuestFailed when it is not there, or not whole."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if (content := archive.extractfile(member)) is not None:
                    files[member.name] = content.read()
        return Answer(int(files.pop("status")), files)
    except (OSError, tarfile.TarError, LookupError, ValueError) as error:
        how = f"did not end within {seconds:.0f} s" if status is None else f"ended (qemu: {status})"
        raise GuestFailed(f"the guest {how} without an answer; its console, above, says how far it came") from error
