"""Programs for arm64 and an emulator of it, from Debian's packages: downloaded once, kept beside the guest's kernels.

The programs bear a mark of ours in the part of an ELF head that nothing reads, and the emulator is registered for
programs with that mark only: what else runs on the machine at that time meets no emulator.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from tests.guest.kernels import default_cache

from carrack.engine.images.debian import MIRROR

#: where the kernel tells of its emulators, and is told of them
REGISTERED = "/proc/sys/fs/binfmt_misc"
EMULATOR, BUSYBOX = "qemu-aarch64-static", "busybox-arm64"
_MARK = b"crkt"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LIST = f"deb [signed-by={_KEYS}] {MIRROR} bookworm main"
#: which bytes of a head must be as told: not the system's number, and both kinds of programs
_MASK = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe" + b"\xff" * 3


def programs() -> Path:
    """A folder with both, or the test is skipped by name."""
    folder = default_cache().parent / "arm64"
    if not all((folder / name).exists() for name in (EMULATOR, BUSYBOX)):
        if not shutil.which("apt-get") or not os.path.exists(_KEYS):
            pytest.skip("qemu-user-static and an arm64 busybox come from Debian's packages, and there is no apt here")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(folder)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no qemu-user-static or arm64 busybox to be had: {error.stderr.decode().strip()}")
    return folder


def _fetch(folder: Path) -> None:
    """From lists of our own: the machine's apt learns of no other architecture."""
    with tempfile.TemporaryDirectory(prefix="crk-apt-", dir=folder) as place:
        for name in ("lists/partial", "archives/partial"):
            Path(place, name).mkdir(parents=True)
        Path(place, "sources.list").write_text(f"{_LIST}\n")
        where = {"Etc::sourcelist": f"{place}/sources.list", "Etc::sourceparts": "/dev/null", "Cache": place}
        where |= {"State::lists": f"{place}/lists"}
        options = ["-qq", "-o", "APT::Sandbox::User=root", "-o", "APT::Architectures::=amd64"]
        options += ["-o", "APT::Architectures::=arm64", "-o", "Acquire::Languages=none"]
        options += [word for name, path in where.items() for word in ("-o", f"Dir::{name}={path}")]
        for words in (["update"], ["download", "qemu-user-static", "busybox-static:arm64"]):
            subprocess.run(["apt-get", *options, *words], cwd=place, check=True, capture_output=True)
        for archive in Path(place).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(archive), f"{place}/tree"], check=True, capture_output=True)
        program = bytearray(Path(place, "tree/bin/busybox").read_bytes())
        program[12:16] = _MARK
        Path(place, BUSYBOX).write_bytes(program)
        shutil.move(f"{place}/tree/usr/bin/{EMULATOR}", f"{place}/{EMULATOR}")
        for name in (EMULATOR, BUSYBOX):
            os.chmod(f"{place}/{name}", 0o755)
            os.rename(f"{place}/{name}", folder / name)


def root_file_system(own: bytes) -> bytes:
    """That of our busybox with the other busybox in its place."""
    program = (programs() / BUSYBOX).read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(own)) as source, tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in source:
            if member.name == "bin/busybox":
                member.size = len(program)
                archive.addfile(member, io.BytesIO(program))
            else:
                archive.addfile(member, source.extractfile(member) if member.isfile() else None)
    return buffer.getvalue()


def registration(name: str, interpreter: str, flags: str) -> bytes:
    """What is written to ``register``."""
    head = b"\x7fELF\2\1\1" + bytes(5) + _MARK + b"\2\0\xb7\0"
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in each) for each in (head, _MASK))
    return f":{name}:M:0:{magic}:{mask}:{interpreter}:{flags}".encode()
