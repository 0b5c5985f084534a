"""One daemon that holds the busybox image, and the kitchen before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import DaemonProcess
from tests.examples.kitchen import Kitchen


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    """Where examples are built."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        process.start()
        made = Kitchen(process, tmp_path_factory.mktemp("kitchen"))
        made.carrack(*IMPORT, stdin=archive)
        yield made
    finally:
        process.stop()
