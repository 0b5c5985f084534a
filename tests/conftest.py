"""Options of the whole suite, and the look for what it left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.leaks import left_behind, snapshot


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is generated now to tests/golden")
    parser.addoption("--leaks", action="store_true", help="fail when this run leaves anything on the machine")


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


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Being the first fixture of all it ends last; what is left is an error of the run, and named."""
    if not request.config.getoption("--leaks"):
        yield
        return
    marks = [str(tmp_path_factory.getbasetemp())]
    before = snapshot(marks)
    yield
    left = left_behind(before, lambda: snapshot(marks))
    if left:
        lines = "\n".join(f"  {kind}: {what}" for kind, what in left)
        pytest.fail(f"the tests left behind:\n{lines}", pytrace=False)
