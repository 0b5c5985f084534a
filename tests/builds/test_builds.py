"""What our builder makes of the projects against what a real dockerd's two builders made of them: see record.

Left out for a reason: ``COPY --parents`` (dockerd 28.5's own frontend has none), and ``--exclude`` on a source that
is a file (Docker's reference and its builder do not agree; ours does as the reference says).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builds import project
from tests.builds.outcome import Document, differences
from tests.builds.record import CLASSIC, IMPORT, NOT_CLASSIC, built, path_of, without_attributes
from tests.cli.busybox import root_file_system
from tests.cli.running import CommandLine, DaemonProcess

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def base() -> bytes:
    """The tar of the files of the base image."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    return archive


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, base: bytes) -> Iterator[CommandLine]:
    """Our command line, and a daemon that holds nothing but the base image."""
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        process.start()
        command = CommandLine("carrack", process)
        command(*IMPORT, stdin=base)
        yield command
    finally:
        process.stop()


@pytest.mark.parametrize("name", project.names())
def test_same_as_dockerd(name: str, ours: CommandLine, base: bytes, tmp_path: Path) -> None:
    made = project.read(name)
    made.write(tmp_path)
    expected: Document = json.loads(path_of(name).read_text())
    document = built(ours.program, ["build"], ours.daemon.environment, (*made.options, "."), tmp_path, base)
    assert "error" not in document, document
    found = differences(without_attributes(name, document), expected)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [name for name in project.names() if name not in NOT_CLASSIC])
def test_same_as_dockerds_classic_builder(name: str, ours: CommandLine, base: bytes, tmp_path: Path) -> None:
    if not shutil.which("docker"):
        pytest.skip("the real docker command is not on the PATH")
    made = project.read(name)
    made.write(tmp_path)
    expected: Document = json.loads(path_of(name, classic=True).read_text())
    environment = {**ours.daemon.environment, "DOCKER_BUILDKIT": "0"}
    # Without the cache, as recorded: proxies have no influence on it, and it holds what BuildKit's way showed to a RUN.
    document = built(["docker"], CLASSIC, environment, (*made.options, "."), tmp_path, base)
    assert "error" not in document, document
    found = differences(_without_digests(without_attributes(name, document)), _without_digests(expected))
    assert not found, "\n".join(found)


def _without_digests(document: Document) -> Document:
    """What was copied has a digest of its contents in history, which is of another kind with us."""
    history = [[re.sub("[0-9a-f]{64}", "…", entry[0]), *entry[1:]] for entry in document["history"]]
    return {**document, "history": history}
