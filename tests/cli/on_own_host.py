"""A daemon in a network namespace of its own: whose bridges, routes and rules are nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess


@contextmanager
def on_own_host(root: Path, *options: str, before: str = "") -> Iterator[CommandLine]:
    """The docker command (ours where it is not installed) with such a daemon; the shell does ``before`` first."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if (archive := root_file_system()) is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(root, *options)
    process.wrapper = ["unshare", "--net", "sh", "-ec", f'ip link set lo up; {before}\nexec "$@"', "sh"]
    try:
        process.start()
        CommandLine("carrack", process)(*IMPORT, stdin=archive)
        line = CommandLine("docker" if shutil.which("docker") else "carrack", process)
        yield line
        if names := line("ps", "-aq").stdout.split():
            line("rm", "-f", *names)
    finally:
        process.stop()


@contextmanager
def crashed(daemon: DaemonProcess) -> Iterator[list[str]]:
    """The daemon is killed, and started again in its network at the end of the block; what enters that network."""
    there = os.open(f"/proc/{(daemon.root / 'pid').read_text().strip()}/ns/net", os.O_RDONLY)
    daemon.wrapper = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{there}"]
    daemon.crash()
    try:
        yield daemon.wrapper
        daemon.start()
    finally:
        os.close(there)


def on_host(line: CommandLine, *command: str) -> str:
    """What a command says where the daemon's network is."""
    pid = (line.daemon.root / "pid").read_text().strip()
    done = subprocess.run(["nsenter", "--net", "--target", pid, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
