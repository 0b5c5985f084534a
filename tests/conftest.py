"""Options of the whole suite, and the look for what it left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.leaks import Fact, left_behind, snapshot

# How long an example takes tells of the machine's other work, not of what is tried.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

LEFT_BEHIND = 9
"""The exit status of a run that left something on the machine, whatever became of the tests."""
_BEFORE = pytest.StashKey[frozenset[Fact]]()
_LEFT = pytest.StashKey[list[Fact]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is generated now to tests/golden")
    parser.addoption("--leaks", action="store_true", help="fail when this run leaves anything on the machine")


def pytest_configure() -> None:
    for name in ("COLUMNS", "LINES"):  # set by Python's readline; programs that tests start would keep to them
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a shell's background job
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what the tests start would ignore it, too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a machine cannot run is skipped by name and counted, never silently."""
    lacks = {}
    if os.geteuid() != 0:
        lacks["root"] = "needs root"
    if not shutil.which("docker"):
        lacks["docker_cli"] = "the real docker command is not on the PATH"
    elif (version := _docker_version()) and int(version.partition(".")[0]) < 28:
        lacks["docker_28"] = f"docker {version} says or does it otherwise than 28"
    for item in items:
        for name, reason in lacks.items():
            if item.get_closest_marker(name) and not (name == "docker_28" and _is_for_ours(item)):
                item.add_marker(pytest.mark.skip(reason=reason))


def _docker_version() -> str:
    command = ["docker", "--version"]
    found = re.search(r"\d+\.\d[\w.]*", subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    return found.group() if found else ""


def _is_for_ours(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "carrack" in item.name.partition("[")[2]


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("--leaks") and not hasattr(session.config, "workerinput"):  # of pytest-xdist's workers
        session.config.stash[_BEFORE] = snapshot()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What is left when all workers have ended, and so all that tests share, is an error of the run."""
    if (before := session.config.stash.get(_BEFORE, None)) is None:
        return
    marks = [str(session.config._tmp_path_factory.getbasetemp())]  # type: ignore[attr-defined]
    left = session.config.stash[_LEFT] = left_behind(before, lambda: snapshot(marks))
    if left:
        session.exitstatus = LEFT_BEHIND


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Leftovers are named in the very last lines, for it is these that a record of a run keeps."""
    yield
    for kind, what in terminalreporter.config.stash.get(_LEFT, []):
        terminalreporter.write_line(f"ERROR the tests left behind a {kind}: {what}", red=True)
