"""Programs of another architecture under qemu-user, registered with the kernel as Debian's package does it.

The daemon has a mount namespace of its own, where the kernel's list of emulators is mounted.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.busybox import root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess
from tests.suites import arm64

pytestmark = pytest.mark.root
NAME = f"carrack-test-{os.getpid()}"
#: one name, an image for each platform
BASE = 'FROM scratch\nARG TARGETARCH\nADD $TARGETARCH.tar /\nCMD ["sh"]\n'
BOTH = "linux/amd64,linux/arm64"
BUILT = """FROM base:1
ARG TARGETARCH
RUN echo $TARGETARCH $(uname -m) > /made
CMD ["sh", "-c", "echo $(cat /made) $(uname -m)"]
"""


@contextmanager
def registered(flags: str) -> Iterator[None]:
    """In a mount namespace of the shell's that registers; what is registered is so for all, and is taken away."""
    words = arm64.registration(NAME, str(arm64.programs() / arm64.EMULATOR), flags)
    _told("register", words)
    try:
        yield
    finally:
        _told(NAME, b"-1")


def _told(file: str, words: bytes) -> None:
    script = f"mount -t binfmt_misc none {arm64.REGISTERED} && cat > {arm64.REGISTERED}/{file}"
    subprocess.run(["unshare", "--mount", "sh", "-c", script], input=words, check=True)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Our command, with a daemon that sees what is registered, and a base image for both architectures."""
    if os.geteuid() != 0 or os.uname().machine != "x86_64":
        pytest.skip("needs root, and a processor that is not the emulated one")
    if "binfmt_misc" not in Path("/proc/filesystems").read_text():
        subprocess.run(["modprobe", "-q", "binfmt_misc"], check=False)
    if "binfmt_misc" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no binfmt_misc")
    if (archive := root_file_system()) is None:
        pytest.skip("the distribution's busybox-static is not installed")
    foreign = arm64.root_file_system(archive)
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    script = f'mount -t binfmt_misc none {arm64.REGISTERED}; exec "$@"'
    process.wrapper = ["unshare", "--mount", "sh", "-ec", script, "sh"]
    folder = tmp_path_factory.mktemp("base")
    (folder / "Dockerfile").write_text(BASE)
    (folder / "amd64.tar").write_bytes(archive)
    (folder / "arm64.tar").write_bytes(foreign)
    try:
        process.start()
        line = CommandLine("carrack", process)
        line("build", "--platform", BOTH, "-t", "base:1", str(folder))
        yield line
    finally:
        process.stop()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "Dockerfile").write_text(BUILT)
    return str(tmp_path)


@pytest.mark.census("image build --platform")
def test_run_and_builds_for_both(own: Cli, folder: str) -> None:
    with registered("POCF"):
        shown = own("run", "--rm", "--platform", "linux/arm64", "base:1", "uname", "-m").stdout
        assert shown == "aarch64\n"
        own("build", "--platform", BOTH, "-t", "both:1", folder)
        for platform, told in (("linux/arm64", "arm64 aarch64 aarch64\n"), ("linux/amd64", "amd64 x86_64 x86_64\n")):
            assert own("run", "--rm", "--platform", platform, "both:1").stdout == told
        own("build", "--no-cache", "--platform", "linux/arm64", "-t", "one:1", folder)
        assert own("run", "--rm", "one:1").stdout == "arm64 aarch64 aarch64\n"
        started = own("run", "-d", "--platform", "linux/arm64", "base:1", "sleep", "100").stdout.strip()
        assert own("exec", started, "uname", "-m").stdout == "aarch64\n"
        own("rm", "-f", started)


def test_without_an_emulator(own: Cli, folder: str) -> None:
    failed = own("build", "--no-cache", "--platform", "linux/arm64", folder, check=False)
    assert "no emulator is registered for arm64; install qemu-user-static" in failed.stderr
    failed = own("run", "--rm", "--platform", "linux/arm64", "base:1", "true", check=False)
    assert (failed.returncode, "exec format error" in failed.stderr) == (125, True)


def test_an_emulator_that_is_looked_for_in_the_image(own: Cli, folder: str) -> None:
    with registered("POC"):
        failed = own("build", "--no-cache", "--platform", "linux/arm64", folder, check=False)
    assert f"{arm64.EMULATOR} is not in the image" in failed.stderr
