"""What our builder makes of the projects against what a real dockerd made of them: see record.

Left out for a reason: ``COPY --parents`` (dockerd 28.5's own frontend has none), and ``--exclude`` on a source that
is a file (Docker's reference and its builder do not agree; ours does as the reference says).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builds import project
from tests.builds.outcome import Document, differences
from tests.builds.record import IMPORT, built, path_of
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
    document = built(ours.program, ["build"], ours.daemon.environment, made, tmp_path, base)
    assert "error" not in document, document
    found = differences(document, expected)
    assert not found, "\n".join(found)
