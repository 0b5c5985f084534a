"""The look for leftovers sees each kind of them, and waits for what is only late."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.leaks import Fact, left_behind, other_runs, snapshot

NAME = f"crk-leaks-{os.getpid()}"


def nobody() -> set[str]:
    return set()


def test_what_was_there_before_is_no_leak() -> None:
    old: frozenset[Fact] = frozenset({("cgroup", "/carrack-old")})
    assert left_behind(old, lambda: old, seconds=0) == []


def test_what_is_new_and_stays_is_one() -> None:
    new: frozenset[Fact] = frozenset({("mount", "/carrack-new"), ("cgroup", "/carrack-new")})
    assert left_behind(frozenset(), lambda: new, seconds=0, elsewhere=nobody) == sorted(new)


def test_what_is_only_late_is_none() -> None:
    looks: list[frozenset[Fact]] = [frozenset(), frozenset({("process", "1 carrack")}), frozenset({("process", "2 c")})]
    assert left_behind(frozenset(), lambda: looks.pop(), seconds=60, elsewhere=nobody) == []
    assert looks == []


def test_what_another_test_run_made_is_its_own() -> None:
    new: frozenset[Fact] = frozenset({("cgroup", "/crk-test-4711-1"), ("cgroup", "/crk-test-4712-1")})
    assert left_behind(frozenset(), lambda: new, seconds=0, elsewhere=lambda: {"4711"}) == [
        ("cgroup", "/crk-test-4712-1")
    ]


def test_what_another_daemon_makes_meanwhile_is_its_own() -> None:
    before: frozenset[Fact] = frozenset({("cgroup", "/sys/fs/cgroup/pids/carrack")})
    after: frozenset[Fact] = before | {("cgroup", "/sys/fs/cgroup/pids/carrack/1"), ("process", "7 sh in / /carrack/1")}
    assert left_behind(before, lambda: after, seconds=0, elsewhere=nobody) == []


def test_a_process_is_seen_until_it_ends() -> None:
    before = snapshot()
    with subprocess.Popen([sys.executable, "-c", f"input() # {NAME}"], stdin=subprocess.PIPE) as process:
        found = [what for kind, what in snapshot() - before if kind == "process" and NAME in what]
        assert [what.split()[0] for what in found] == [str(process.pid)]
        process.communicate(b"\n")
    assert not [what for _, what in snapshot() - before if NAME in what]


def test_other_runs_are_found_with_their_descendants() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", script, "pytest"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip()
        assert {str(process.pid), child} <= other_runs()
        process.communicate(b"\n")
    assert str(os.getpid()) not in other_runs()


def test_what_a_test_starts_is_no_run_because_its_files_are_of_one() -> None:
    words = [sys.executable, "-c", "input()", "/var/tmp/pytest-of-root/pytest-1/daemon0/data"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        assert str(process.pid) not in other_runs()
        process.communicate(b"\n")


@pytest.mark.parametrize("processes", [[], ["-n", "2", "--dist", "loadfile"]], ids=["one", "two"])
def test_a_run_whose_tests_leave_something_fails_and_names_it_last(tmp_path: Path, processes: list[str]) -> None:
    left = Path("/tmp", f"{NAME}-{len(processes)}")
    for name in ("one", "other"):
        (tmp_path / f"test_{name}.py").write_text("def test_passes(): pass\n")
    (tmp_path / "test_leaves.py").write_text(f"def test_leaves():\n    open({str(left)!r}, 'w').close()\n")
    (tmp_path / "conftest.py").write_text("from tests import leaks; leaks.left_behind.__kwdefaults__['seconds'] = 0.5")
    options = [
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        "--leaks",
    ]
    words = [sys.executable, "-m", "pytest", *options, *processes, str(tmp_path)]
    try:
        done = subprocess.run(words, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    finally:
        left.unlink()
    assert done.returncode == 9, done
    summary, *last = reversed(done.stdout.splitlines())
    assert "3 passed" in summary
    assert f"ERROR the tests left behind a file: {left}" in last


def test_a_directory_of_the_run_is_seen_by_its_mark() -> None:
    before = snapshot([NAME])
    path = Path("/tmp", f"other-{NAME}")
    path.mkdir()
    late = threading.Timer(0.3, path.rmdir)
    try:
        assert ("file", str(path)) in snapshot([NAME]) - before
    finally:
        late.start()
    assert ("file", str(path)) not in left_behind(before, lambda: snapshot([NAME]), elsewhere=nobody, seconds=5)
    late.join()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_mounts_cgroups_links_tables_and_namespaces_are_seen(tmp_path: Path) -> None:
    script = f"""
        set -e
        mount -t tmpfs {NAME} {tmp_path}
        mkdir /sys/fs/cgroup/*/{NAME} 2>/dev/null || mkdir /sys/fs/cgroup/{NAME}
        ip link add {NAME[-15:]} type dummy 2>/dev/null || ip link add {NAME[-15:]} type bridge
        nft add table ip {NAME}
    """
    undo = f"""
        umount {tmp_path}; rmdir /sys/fs/cgroup/*/{NAME} /sys/fs/cgroup/{NAME}
        ip link delete {NAME[-15:]}; nft delete table ip {NAME}
    """
    mark = NAME[-15:]
    before = snapshot([mark])
    try:
        subprocess.run(["sh", "-c", script], check=True, capture_output=True)
        kinds = {kind for kind, what in snapshot([mark]) - before if mark in what}
    finally:
        subprocess.run(["sh", "-c", undo], check=False, capture_output=True)
    assert kinds == {"mount", "cgroup", "network link", "nftables table"}
    assert not [what for _, what in snapshot([mark]) - before if mark in what]
