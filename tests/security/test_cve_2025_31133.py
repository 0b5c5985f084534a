"""CVE-2025-31133: the image's or a volume's /dev/null, a link to a kernel file, becomes the source of masked paths.

A runtime that masks by "bind /dev/null over it" inside the container's root shows the attacker a *writable*
core_pattern where /proc/interrupts was. The first test does just that and sees it succeed; the others give our
runtime the same /dev: as a volume, and as one where a sibling exchanges it all the time. (An image's own /dev/null, and
no /dev at all: test_runtime_escapes.py.)
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.fakes.sandbox import run_apart
from tests.security.racer import exchanging

from carrack.engine.defaults import MASKED_PATHS
from carrack.linux.mount import MS_BIND
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root

PRIZE = "/proc/sys/kernel/core_pattern"
LOOK = f"""
for path in {" ".join(MASKED_PATHS)}; do
  if [ -d $path ]; then echo "directory $(ls $path | wc -l)"; elif [ -e $path ]; then stat -c '%F %t:%T' $path; fi
done
grep ' /sys/kernel' /proc/self/mountinfo
true
"""


@pytest.fixture
def evil_dev(tmp_path: Path) -> Path:
    """A volume to be mounted on /dev."""
    dev = tmp_path / "dev"
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir(parents=True)
    (dev / "null").symlink_to(PRIZE)
    os.mknod(dev / "honest", 0o20666, os.makedev(1, 3))
    return dev


def untouched(said: str) -> None:
    lines = said.split("\n")
    assert set(lines) <= {"character special file 1:3", "directory 0", ""}, said
    assert "character special file 1:3" in lines


def test_the_attack_works_on_a_runtime_that_masks_by_name(evil_dev: Path, tmp_path: Path) -> None:
    target = tmp_path / "interrupts"
    target.touch()

    def work() -> None:
        LINUX.mount(str(evil_dev / "null"), str(target), None, MS_BIND)
        assert os.stat(target).st_ino == os.stat(PRIZE).st_ino
        assert os.access(target, os.W_OK)

    run_apart(work, CLONE_NEWNS)


def test_with_a_volume_on_dev(docker: Cli, image: str, evil_dev: Path) -> None:
    untouched(docker("run", "--rm", "-v", f"{evil_dev}:/dev", image, "sh", "-c", LOOK).stdout)


def test_with_a_sibling_that_exchanges_it(docker: Cli, image: str, evil_dev: Path) -> None:
    before = Path(PRIZE).read_text()
    with exchanging(evil_dev / "null", evil_dev / "honest"):
        for _ in range(8):
            untouched(docker("run", "--rm", "-v", f"{evil_dev}:/dev", image, "sh", "-c", LOOK).stdout)
    assert Path(PRIZE).read_text() == before
