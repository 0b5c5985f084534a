"""Builds that cannot be: each client gets the place, the last words of the step and status 1; and nothing is left.

All on one daemon whose disk is small, so that a context can be larger than it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, Result, api, eventually
from tests.clients import packages
from tests.faults.audit import Auditor
from tests.faults.leftovers import of_steps

pytestmark = pytest.mark.root

_DISK = 64 << 20


@dataclass(frozen=True, slots=True)
class Bad:
    """``line``: where in the Dockerfile; ``said``: what is told of it; ``words``: options of the build."""

    text: str
    line: int
    said: tuple[str, ...]
    words: tuple[str, ...] = ()


BAD = {
    "unknown instruction": Bad("FROM busybox\nRUN true\nFOO x\n", 3, ("line 3", "unknown instruction: FOO")),
    "open heredoc": Bad("FROM busybox\nRUN <<E\nx\n", 2, ("line 2", "unterminated heredoc")),
    "cyclic stages": Bad(
        "FROM busybox AS a\nCOPY --from=b x /\nFROM busybox AS b\nCOPY --from=a x /\n", 3, ("circular dependency",)
    ),
    "missing stage": Bad("FROM busybox\nCOPY --from=7 x /\n", 2, ("invalid stage index 7",)),
    "missing target": Bad("FROM busybox AS a\n", 0, ("target stage", "none"), ("--target", "none")),
    "outside the context": Bad("FROM busybox\nCOPY ../../etc /\n", 2, ("outside the build context", "../../etc")),
    "not in the context": Bad("FROM busybox\nRUN true\nCOPY none /\n", 3, ('"/none": not found',)),
    "unreachable base": Bad("FROM 127.0.0.1:1/none:1\nRUN true\n", 1, ("127.0.0.1:1/none:1", "connection refused")),
    "failing program": Bad("FROM busybox\nRUN echo last words; exit 7\n", 2, ("last words", "exit code: 7")),
    "no program": Bad('FROM busybox\nRUN ["/no/such"]\n', 2, ("/no/such", "no such file")),
    "want of memory": Bad(
        "FROM busybox\nRUN echo last words; dd if=/dev/zero of=/dev/null bs=900M count=1\n",
        2,
        ("last words", "exit code: 137", "killed for want of memory"),
        ("--memory", "24m"),
    ),
    "disk too small for a step": Bad(
        "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=200\n", 2, ("No space left on device", "exit code: 1")
    ),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Its data root is a small file system."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    root = tmp_path_factory.mktemp("daemon")
    disk, data = root / "disk.img", root / "data"
    with disk.open("wb") as file:
        file.truncate(_DISK)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", disk], check=True)
    data.mkdir()
    subprocess.run(["mount", "-o", "loop", disk, data], check=True)
    made = DaemonProcess(root)
    try:
        made.start()
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield made
    finally:
        made.stop()
        subprocess.run(["umount", "-R", data], check=True)


@pytest.fixture(scope="module", params=["carrack", "docker", "buildx"])
def client(request: pytest.FixtureRequest, daemon: DaemonProcess) -> str:
    """Who asks for the build."""
    if request.param != "carrack" and not shutil.which("docker"):
        pytest.skip("the real docker command is not on the PATH")
    if request.param == "buildx":
        try:
            plugin = packages.buildx()
        except packages.NotToBeHad as problem:
            pytest.skip(str(problem))
        place = daemon.root / "client" / "cli-plugins"
        place.mkdir(parents=True, exist_ok=True)
        (place / "docker-buildx").symlink_to(plugin)
    return str(request.param)


def build(client: str, daemon: DaemonProcess, *words: str, stdin: bytes = b"") -> Result:
    program = ["buildx", "build", "--progress", "plain"] if client == "buildx" else ["build"]
    command = CommandLine("carrack" if client == "carrack" else "docker", daemon)
    return command(*program, *words, stdin=stdin, check=False)


@pytest.fixture(autouse=True)
def nothing_left(daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What every test here ends with, whatever was asked for."""
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    command = CommandLine("carrack", daemon)
    images = command("images", "-aq").stdout
    yield
    eventually(lambda: of_steps(daemon) == [])
    assert command("images", "-aq").stdout == images
    assert command("ps", "-aq").stdout == ""


@pytest.mark.parametrize("what", BAD)
def test_refused(what: str, client: str, daemon: DaemonProcess, tmp_path: Path) -> None:
    bad = BAD[what]
    (tmp_path / "Dockerfile").write_text(bad.text)
    if client == "buildx" and "--memory" in bad.words:
        pytest.skip("buildx build has no --memory")
    done = build(client, daemon, *bad.words, str(tmp_path))
    assert done.returncode == 1, done.stdout
    shown = done.stdout + done.stderr
    for said in bad.said:
        assert said in shown
    if client != "docker" and bad.line:
        assert f"Dockerfile:{bad.line}" in shown
    assert "Traceback" not in daemon.log.read_text()


def test_a_context_larger_than_the_disk(client: str, daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY big /\n")
    with (tmp_path / "big").open("wb") as file:
        file.write(os.urandom(1 << 20) * 2 * (_DISK >> 20))
    done = build(client, daemon, str(tmp_path))
    assert done.returncode == 1
    assert "no space left on device" in done.stdout + done.stderr
    (tmp_path / "big").write_text("small")
    assert build(client, daemon, "--target", "none", str(tmp_path)).returncode == 1
    assert shutil.disk_usage(daemon.root / "data").free > _DISK // 4


@pytest.mark.parametrize("at", [0.4, 0.9])
def test_a_torn_tar(at: float, client: str, daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY f /\n")
    (tmp_path / "f").write_bytes(os.urandom(300_000))
    whole = subprocess.run(["tar", "-C", tmp_path, "-c", "f", "Dockerfile"], stdout=subprocess.PIPE, check=True).stdout
    done = build(client, daemon, "-", stdin=whole[: int(300_000 * at)])
    assert done.returncode == 1
    assert "Traceback" not in daemon.log.read_text()


def test_it_has_stayed_whole(daemon: DaemonProcess, tmp_path: Path) -> None:
    """The last: it builds, and when that is removed, nothing is too many and nothing is missing."""
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo made > /made\n")
    command = CommandLine("carrack", daemon)
    command("build", "-t", "made", str(tmp_path))
    assert command("run", "--rm", "made", "cat", "/made").stdout == "made\n"
    command("rmi", "made")
    api(daemon, "POST", "/build/prune?all=1")
    eventually(lambda: Auditor(daemon).differences() == [])
