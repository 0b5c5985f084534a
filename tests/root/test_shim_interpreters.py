"""The zygote is sealed and runs containers whichever interpreter the daemon was started with."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tests.root.shim_harness import Harness, play

from carrack.linux.syscalls import LINUX
from carrack.shim import seal

pytestmark = pytest.mark.root

SYSTEM = "/usr/bin/python3"


async def scene(harness: Harness) -> None:
    assert (await harness.run("/bin/sh", "-c", "exit 4"))[0] == 4
    executable = Path(f"/proc/{harness.zygote.pid}/exe").readlink()
    assert str(executable) == seal.interpreter(harness.python)


@pytest.mark.parametrize("symlinks", [True, False])
def test_a_virtual_environments(tmp_path: Path, symlinks: bool) -> None:
    venv.create(tmp_path / "env", symlinks=symlinks, with_pip=False)
    play(tmp_path / "work", scene, str(tmp_path / "env/bin/python"))


def test_the_distributions(tmp_path: Path) -> None:
    check = [SYSTEM, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not Path(SYSTEM).exists() or subprocess.run(check, check=False).returncode:
        pytest.skip(f"{SYSTEM} is not Python 3.11 or newer")
    play(tmp_path / "work", scene, SYSTEM)


def test_what_the_daemon_mounts_below_its_run_directory_is_not_kept_alive(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "shm").mkdir()
    LINUX.mount("tmpfs", str(run / "shm"), "tmpfs", 0)

    async def look(harness: Harness) -> None:
        assert str(run / "shm") in Path("/proc/self/mountinfo").read_text()
        assert str(run / "shm") not in Path(f"/proc/{harness.zygote.pid}/mountinfo").read_text()
        assert (await harness.run("/bin/true"))[0] == 0

    try:
        play(tmp_path, look)
        assert str(run / "shm") in Path("/proc/self/mountinfo").read_text()
    finally:
        LINUX.umount(str(run / "shm"))


def test_nothing_but_the_standard_library_and_this_package_can_be_imported(tmp_path: Path) -> None:
    """Other packages that are installed beside ours stay out of what enters containers."""

    async def look(harness: Harness) -> None:
        maps = Path(f"/proc/{harness.zygote.pid}/maps").read_text()
        assert "site-packages" not in maps
        command = Path(f"/proc/{harness.zygote.pid}/cmdline").read_text().split("\0")
        assert command[1:5] == ["-I", "-S", "-E", "-B"]
        assert Path(f"/proc/{harness.zygote.pid}/environ").read_text() == "LANG=C.UTF-8\0"

    play(tmp_path, look)
    assert sys.executable
