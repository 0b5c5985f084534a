"""What a container uses up is its own: processes, memory, descriptors, inodes and bytes of its /dev/shm and tmpfs.

Each attack runs into a limit that was given, and a neighbour that was there before goes on undisturbed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.running import Cli

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def neighbour(docker: Cli, image: str) -> Iterator[None]:
    """A container that must be able to do its work after each attack."""
    docker("run", "-d", "--name", "neighbour", image, "sleep", "1000")
    yield
    work = "for i in 1 2 3; do sleep 0.01 & done; wait; dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null"
    script = f"{work} && echo fine"
    assert docker("exec", "neighbour", "sh", "-c", script).stdout == "fine\n"


def attack(docker: Cli, image: str, script: str, *words: str) -> tuple[int, str]:
    done = docker("run", "--name", "attacker", *words, image, "sh", "-c", script, check=False)
    return done.returncode, done.stdout + done.stderr


def test_processes(docker: Cli, image: str) -> None:
    code, said = attack(docker, image, "b() { b | b & }; b; sleep 0.5; b & b & wait; exit 9", "--pids-limit", "20")
    assert code in (2, 9), said
    assert "fork" in said


def test_memory(docker: Cli, image: str) -> None:
    eat = "x=abcdefghijklmnop; while :; do x=$x$x; done"
    code, _ = attack(docker, image, eat, "-m", "16m", "--memory-swap", "16m")
    assert code == 137
    assert docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "attacker").stdout == "true 137\n"


def test_memory_by_files_in_shared_memory(docker: Cli, image: str) -> None:
    code, said = attack(docker, image, "dd if=/dev/zero of=/dev/shm/x bs=1M count=64", "--shm-size", "4m")
    assert code == 1
    assert "No space left on device" in said
    docker("rm", "attacker")
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=64"  # its pages are the container's, too
    code, _ = attack(docker, image, f"exec {fill}", "--shm-size", "1g", "-m", "16m", "--memory-swap", "16m")
    assert code == 137


def test_descriptors(docker: Cli, image: str) -> None:
    script = 'i=3; while [ $i -lt 60 ]; do eval "exec $i</dev/null" || exit 7; i=$((i+1)); done'
    code, said = attack(docker, image, script, "--ulimit", "nofile=20:20")
    assert code, said
    assert "oo many open files" in said or "ad file descriptor" in said


def test_inodes_and_bytes_of_a_tmpfs(docker: Cli, image: str) -> None:
    script = "i=0; while [ $i -lt 99 ]; do : > /t/$i || exit 7; i=$((i+1)); done"
    code, said = attack(docker, image, script, "--tmpfs", "/t:size=1m,nr_inodes=20")
    assert code in (1, 2, 7), said
    assert "No space left on device" in said
    docker("rm", "attacker")
    code, said = attack(docker, image, "dd if=/dev/zero of=/t/x bs=1M count=9", "--tmpfs", "/t:size=1m")
    assert "No space left on device" in said
    assert code == 1


def test_the_engine_is_not_what_the_kernel_picks_first(docker: Cli, image: str) -> None:
    """A container's processes are likelier victims than the daemon and the shims, unless it was told otherwise."""
    shown = docker("run", "--rm", image, "cat", "/proc/self/oom_score_adj").stdout
    assert int(shown) >= 0
    last = docker("run", "--rm", "--oom-score-adj", "900", image, "cat", "/proc/self/oom_score_adj").stdout
    assert last == "900\n"
