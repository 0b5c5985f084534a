"""Docker's own answers, word for word: the docker command and ours against our daemon, judged by what was recorded."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli import golden
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.differences import DIFFERENCES, expected
from tests.cli.running import CommandLine, DaemonProcess

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon that nothing else uses, with the one image."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if (archive := root_file_system()) is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(tmp_path_factory.mktemp("golden"))
    try:
        process.start()
        CommandLine("carrack", process)(*IMPORT, stdin=archive)
        yield process
    finally:
        process.stop()


@pytest.mark.parametrize("program", [pytest.param("docker", marks=pytest.mark.docker_28), "carrack"])
@pytest.mark.parametrize("name", golden.SCENARIOS)
def test_scenario(name: str, program: str, harbour: DaemonProcess, tmp_path: Path) -> None:
    if program == "docker" and not shutil.which("docker"):
        pytest.skip("the real docker command is not installed")
    words = CommandLine(program, harbour).program
    played = golden.play(golden.SCENARIOS[name], words, harbour.environment, str(harbour.socket), tmp_path)
    assert (
        played.transcript.render().splitlines()
        == expected(name, golden.golden(name), program == "carrack").splitlines()
    )


def test_every_difference_is_met() -> None:
    """What is no longer different has no place in the list."""
    texts = {name: golden.golden(name) for name in golden.SCENARIOS}
    stale = [
        difference.docker
        for difference in DIFFERENCES
        if not any(
            difference.meets(name, True) and re.search(difference.docker, text, re.MULTILINE)
            for name, text in texts.items()
        )
    ]
    assert not stale


def test_every_golden_file_has_its_scenario() -> None:
    assert set(golden.FOLDER.rglob("*.txt")) == {golden.path_of(name) for name in golden.SCENARIOS}
