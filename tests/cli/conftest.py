"""A daemon of our own, and the two commands that are judged against it: the real ``docker`` and ours."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess

pytestmark = pytest.mark.root

IMAGE = "busybox:latest"


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """carrackd with its own roots, socket, bridge, firewall table and cgroups; all of it is gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        process.start()
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def image(daemon: DaemonProcess) -> str:
    """An image of the distribution's static busybox, imported without any registry."""
    ours = CommandLine("carrack", daemon)
    ours("import", "-c", 'CMD ["sh"]', "-", IMAGE, stdin=_root_file_system())
    return IMAGE


@pytest.fixture(params=["docker", "carrack"])
def cli(request: pytest.FixtureRequest, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line against the daemon; what a test leaves behind is removed."""
    if request.param == "docker" and not shutil.which("docker"):
        pytest.skip("the real docker command is not installed")
    command = CommandLine(request.param, daemon)
    yield command
    _clean(command)


@pytest.fixture
def docker(daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """The real docker (ours where it is not installed), for tests of what the engine alone decides."""
    command = CommandLine("docker" if shutil.which("docker") else "carrack", daemon)
    yield command
    _clean(command)


def _clean(command: Cli) -> None:
    left = command("ps", "-aq").stdout.split()
    if left:
        command("rm", "-fv", *left)
    volumes = command("volume", "ls", "-q").stdout.split()
    if volumes:
        command("volume", "rm", "-f", *volumes)


def _root_file_system() -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("the distribution's busybox-static is not installed")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("bin", "etc", "root", "tmp", "www"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(info)
        archive.add(busybox, "bin/busybox")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                info = tarfile.TarInfo(f"bin/{applet}")
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(info)
        _text(archive, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        _text(archive, "etc/group", "root:x:0:\nnogroup:x:65534:\nstaff:x:50:nobody\n")
        _text(archive, "www/index.html", "carrack serves\n")
    return buffer.getvalue()


def _text(archive: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    archive.addfile(info, io.BytesIO(text.encode()))
