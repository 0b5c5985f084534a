"""What the tests could leave on the machine: looked at before the first test and after the last of all processes.

A test that forgets a mount or a process passes, and the tenth run of it fails on another machine; so leftovers are a
failure of their own. Only what bears a name of ours counts, since a machine has other users. The host's end of a
cable has a neutral name, but it dies with its sandbox, and a sandbox lives by its process.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

#: (kind, what)
Fact = tuple[str, str]

#: Names that the tests and the product give: carrack…, crk…
OURS = r"carrack|\bcrk"
#: By module or by program, not merely below the directory of a run; and what boots a guest
_TEST_RUN = re.compile(r"(^| |/)(pytest|tests\.guest)( |$)")
_NUMBER = re.compile(r"\d{3,}")
#: The standard library's own, which ends with the interpreter that runs the tests
_HELPER = "multiprocessing.resource_tracker"
_BETWEEN = re.compile(r"[/\s]+")


def snapshot(marks: Iterable[str] = ()) -> frozenset[Fact]:
    """What is on the machine now that bears a name of ours, or one of ``marks`` (say, the directory of this run)."""
    ours = re.compile("|".join([OURS, *map(re.escape, marks)]))
    found = [("mount", line) for line in _mounts()]
    found += [("cgroup", path) for path in _folders(Path("/sys/fs/cgroup"), 5)]
    found += [("network link", path.name) for path in Path("/sys/class/net").iterdir()]
    found += [("nftables table", line) for line in _tables()]
    found += [("loop device", line) for line in _loops()]
    found += [("network namespace", path) for path in _folders(Path("/run/netns"), 1)]
    found += [("process", line) for line in _processes()]
    for parent in ("/run", "/var/lib", "/tmp", "/var/tmp"):
        found += [("file", str(path)) for path in Path(parent).iterdir() if not _is_of_another_kind(path)]
    return frozenset(fact for fact in found if ours.search(fact[1]))


def left_behind(
    before: frozenset[Fact],
    look: Callable[[], frozenset[Fact]],
    *,
    seconds: float = 10,
    elsewhere: Callable[[], set[str]] = lambda: other_runs(),
) -> list[Fact]:
    """What was not there ``before`` and stays: the ends of processes and mounts may take ``seconds`` to be seen.

    What names the process id of another test run (``elsewhere``) is that run's, and what is in a cgroup that was there
    ``before`` is another daemon's.
    """
    end = time.monotonic() + seconds
    strange = {os.path.basename(what) for kind, what in before if kind == "cgroup"}
    while True:
        gc.collect()  # what the interpreter has not thrown away yet may hold descriptors, and so mounts
        others = elsewhere()
        new = sorted(
            (kind, what)
            for kind, what in look() - before
            if others.isdisjoint(_NUMBER.findall(what)) and strange.isdisjoint(_BETWEEN.split(what))
        )
        if not new or time.monotonic() > end:
            return new
        time.sleep(0.2)


def other_runs() -> set[str]:
    """Process ids of other test runs on this machine, and of all that descends from them."""
    parents = _parents()
    own = set(_line(str(os.getpid()), parents))
    runs = {pid for pid, words in _commands() if _TEST_RUN.search(words)} - own
    return {pid for pid in parents if not runs.isdisjoint(_line(pid, parents))}


def _parents() -> dict[str, str]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[path.parent.name] = path.read_text().rpartition(")")[2].split()[1]
        except OSError:  # ended meanwhile
            continue
    return found


def _line(pid: str, parents: dict[str, str]) -> Iterator[str]:
    while pid in parents:
        yield pid
        pid = parents[pid]


def _is_of_another_kind(path: Path) -> bool:
    """What only looks like ours: pytest's own directories keep the results of past runs."""
    return path.name.startswith("pytest-of-")


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [f"{line.split()[4]} ({line.partition(' - ')[2]}, id {line.split()[0]})" for line in lines]


def _folders(top: Path, depth: int) -> list[str]:
    found = []
    for path, names, files in os.walk(top):
        found += [os.path.join(path, name) for name in (names if depth > 1 else names + files)]
        if path.count("/") - str(top).count("/") >= depth - 1:
            names.clear()
    return found


def _tables() -> list[str]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        return []
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _loops() -> list[str]:
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found.append(f"/dev/{path.parts[3]} {path.read_text().strip()}")
        except OSError:  # detached meanwhile
            continue
    return found


def _commands() -> list[tuple[str, str]]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # ended meanwhile
            continue
        if words and _HELPER not in words:
            found.append((path.name, words.strip()))
    return found


def _processes() -> list[str]:
    found = []
    for pid, words in _commands():
        try:
            groups = {line.split(":", 2)[2] for line in Path("/proc", pid, "cgroup").read_text().splitlines()}
        except OSError:
            continue
        found.append(f"{pid} {words[:200]} in {' '.join(sorted(groups))}")
    return found
