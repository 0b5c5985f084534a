"""What our builder makes of git repositories against what a real dockerd made of them: see repositories."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builds.record import client
from tests.builds.repositories import CASES, PLACE, built, make
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients import packages
from tests.fakes.elsewhere import git_daemon

pytestmark = pytest.mark.root
RECORDED = json.loads(PLACE.read_text())
#: what says that something was not found out before it was fetched, and which of buildx's steps wanted it
_WHERE = re.compile(r"^(?:failed to read dockerfile: (?:open )?)?(?:failed to load cache key: )?")
#: what buildx puts before an error when its own call's end outruns that of the build
_RACE = "failed to run Build function: "


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of the repositories, and the names of commits."""
    folder = tmp_path_factory.mktemp("served")
    names = make(folder)
    with git_daemon(folder) as address:
        yield address, names


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Our command line, and a daemon that holds nothing."""
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        process.start()
        yield CommandLine("carrack", process)
    finally:
        process.stop()


@pytest.mark.parametrize("name", CASES)
def test_same_as_dockerd(name: str, ours: CommandLine, served: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    if not packages.buildx():
        pytest.skip("buildx is not installed")
    with client(ours.daemon.environment["DOCKER_HOST"]) as environment:
        program = ["docker", "buildx", "build", "--progress=plain", "--provenance=false"]
        found = built(program, environment, CASES[name], *served, tmp_path)
    if "error" in found:
        found["error"] = found["error"].removeprefix(_RACE)
    assert found == RECORDED[name]


@pytest.mark.parametrize("name", ["branch", "kept", "query other commit", "nothing", "no folder", "added, compared"])
def test_our_command_does_the_same(
    name: str, ours: CommandLine, served: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    found = built([*ours.program, "build"], ours.daemon.environment, CASES[name], *served, tmp_path)
    expected = dict(RECORDED[name])
    if "error" in expected:
        expected["error"] = _WHERE.sub("", expected["error"])
        found["error"] = found["error"].removeprefix("Error response from daemon: ")
    assert found == expected
