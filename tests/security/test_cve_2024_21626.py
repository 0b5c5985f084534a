"""CVE-2024-21626: a descriptor of the host's that is still open when the working directory is set, or when the program
runs, is a way out: ``WORKDIR /proc/self/fd/7``.

The first test goes that way from a chroot as a careless runtime makes it, and lists a directory of the host's. Then a
daemon that was itself started with descriptors of the host's open takes the same words from a request, from an image,
from a link in the image and from an exec. (Through the shim and carrack-runtime: test_cve_2024_21626_shim.py,
test_runtime_escapes.py.)
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess
from tests.fakes.sandbox import run_apart
from tests.security import evil

from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root

WAYS = [f"/proc/self/fd/{number}" for number in range(3, 24)]


def test_the_attack_works_on_a_runtime_that_leaves_one_open(tmp_path: Path) -> None:
    (tmp_path / "root/proc").mkdir(parents=True)
    (tmp_path / "secret").touch()

    def work() -> None:
        leaked = os.open(tmp_path, os.O_RDONLY)
        LINUX.mount("proc", str(tmp_path / "root/proc"), "proc", 0)
        os.chroot(tmp_path / "root")
        os.chdir(f"/proc/self/fd/{leaked}")
        assert "secret" in os.listdir(".")

    run_apart(work, CLONE_NEWNS)


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A daemon that has a dozen directories of the host open, not closed on execve."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(tmp_path_factory.mktemp("leaking"))
    leaks = [os.open("/", os.O_RDONLY | os.O_DIRECTORY) for _ in range(12)]
    plain = subprocess.Popen
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", functools.partial(plain, pass_fds=leaks))
            process.start()
        command = CommandLine("carrack", process)
        command(*IMPORT, stdin=archive)
        yield command
        if left := command("ps", "-aq").stdout.split():
            command("rm", "-fv", *left)
    finally:
        for fd in leaks:
            os.close(fd)
        process.stop()


def inside(said: str) -> bool:
    """Nothing of the host's root was listed, and where we are is the container's root or nowhere."""
    names = said.split()
    return not {"var", "usr", "boot", "opt"} & set(names)


def test_nothing_is_open_inside(leaking: CommandLine) -> None:
    assert leaking("run", "--rm", "busybox", "ls", "/proc/self/fd").stdout.split() == ["0", "1", "2", "3"]
    leaking("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    assert leaking("exec", "box", "ls", "/proc/self/fd").stdout.split() == ["0", "1", "2", "3"]
    for pid in ("1", "self"):
        assert "socket" not in leaking("exec", "box", "ls", "-l", f"/proc/{pid}/fd").stdout
    leaking("rm", "-f", "box")


def test_a_working_directory_of_the_request(leaking: CommandLine) -> None:
    leaking("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    for way in WAYS[::2]:
        done = leaking("run", "--rm", "-w", way, "busybox", "ls", "-a", check=False)
        assert done.returncode != 0 or inside(done.stdout), way
        assert inside(leaking("exec", "-w", way, "box", "ls", "-a", check=False).stdout), way
        assert inside(leaking("exec", "-w", f"{way}/../..", "box", "ls", "-a", check=False).stdout), way
    leaking("rm", "-f", "box")


def test_a_working_directory_of_the_image(leaking: CommandLine) -> None:
    for way in (WAYS[4], "/way"):
        with evil.image(leaking, "evil-directory", evil.link("way", WAYS[4]), changes=(f"WORKDIR {way}",)) as made:
            done = leaking("run", "--rm", made, "ls", "-a", check=False)
            assert done.returncode != 0 or inside(done.stdout)
