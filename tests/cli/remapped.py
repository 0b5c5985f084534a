"""A daemon with ``userns-remap``, whose /etc says who has which subordinate ids: in a mount namespace of its own, since
this machine's files are none of a test's business."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess

FIRST, COUNT = 200_000, 65_536
USER = "dockremap"
_FILES = ("passwd", "group", "subuid", "subgid")
_SCRIPT = (
    """for name in passwd group subuid subgid; do mount --bind "$0/$name" "/etc/$name" || exit 9; done; exec "$@" """
)


def with_accounts(process: DaemonProcess, ranges: str = f"{USER}:{FIRST}:{COUNT}\n") -> DaemonProcess:
    """Let a daemon see a user dockremap (uid 54321) that has these lines in /etc/subuid and /etc/subgid."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [name for name in _FILES if not Path("/etc", name).exists()]
    if missing:
        pytest.skip(f"this machine has no /etc/{missing[0]} to put another in the place of")
    etc = process.root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(Path("/etc/passwd").read_text() + f"{USER}:x:54321:54321::/:/bin/false\n")
    (etc / "group").write_text(Path("/etc/group").read_text() + f"{USER}:x:54321:\n")
    for name in ("subuid", "subgid"):
        (etc / name).write_text(ranges)
    process.wrapper = ["unshare", "--mount", "sh", "-c", _SCRIPT, str(etc)]
    return process


@contextmanager
def remapping(root: Path) -> Iterator[DaemonProcess]:
    """A running daemon that remaps, by its configuration file, and has the tests' image."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = with_accounts(DaemonProcess(root))
    (root / "daemon.json").write_text('{"userns-remap": "default", "live-restore": true}')
    try:
        process.start()
        CommandLine("carrack", process)(*IMPORT, stdin=archive)
        yield process
    finally:
        process.stop()


@contextmanager
def docker_on(process: DaemonProcess) -> Iterator[Cli]:
    """The real docker (ours where it is not installed) to a daemon; what a test leaves behind is removed."""
    command = CommandLine("docker" if shutil.which("docker") else "carrack", process)
    yield command
    left = command("ps", "-aq").stdout.split()
    if left:
        command("rm", "-fv", *left)
