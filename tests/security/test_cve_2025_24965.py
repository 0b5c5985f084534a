"""CVE-2025-24965: an annotation that came with an image makes the runtime do something on the host.

Labels, and whatever else an image says, never become annotations of the spec, which a runtime's handlers obey
(``run.oci.*``, ``org.criu.*``, ``krun.*``): only the request's own do. The spec is looked at where another runtime, a
program of the test's, is given it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess
from tests.security import evil

pytestmark = pytest.mark.root

HANDLERS = "run.oci.handler run.oci.keep_original_groups krun.cpus org.criu.config module.wasm.image/variant".split()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A command line to a daemon whose other runtime writes down the spec it is given, and fails."""
    root = tmp_path_factory.mktemp("watched")
    program = root / "runtime"
    copy = '[ "$1" = --bundle ] && cp "$2/config.json" "$(dirname "$0")/spec"'
    program.write_text(f"#!/bin/sh\nwhile [ $# -gt 0 ]; do {copy}; shift; done\nexit 1\n")
    program.chmod(0o755)
    process = DaemonProcess(root, "--add-runtime", f"watched={program}")
    try:
        process.start()
        yield CommandLine("carrack", process)
    finally:
        process.stop()


def test_an_images_labels_are_no_annotations(watched: Cli) -> None:
    labels = tuple(f"LABEL {name}=krun" for name in HANDLERS)
    with evil.image(watched, "r-handlers", changes=labels) as name:
        words = ["--runtime", "watched", "--name", "lured", "--annotation", "asked.for=this"]
        failed = watched("run", "--network", "none", *words, name, "true", check=False)
        assert failed.returncode
        spec = json.loads((Path(watched.daemon.root) / "spec").read_text())
        assert spec["annotations"] == {"asked.for": "this"}
        shown = json.loads(watched("inspect", "-f", "{{json .Config.Labels}}", "lured").stdout)
        assert set(HANDLERS) <= set(shown)
        watched("rm", "-f", "lured")
