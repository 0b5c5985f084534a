"""Flags of `carrack build` that docker's classic request has no words for, seen from inside what is built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.built import forget_builds
from tests.cli.running import Cli, CommandLine, DaemonProcess, api

pytestmark = pytest.mark.root


@pytest.fixture
def carrack(daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    command = CommandLine("carrack", daemon)
    yield command
    forget_builds(daemon, command, image)


def test_stages_that_are_not_taken_from_the_cache(carrack: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox AS One\nRUN cat /proc/sys/kernel/random/uuid > /now\n"
        "FROM busybox AS two\nRUN cat /proc/sys/kernel/random/uuid > /now\n"
        "FROM scratch\nCOPY --from=one /now /1\nCOPY --from=two /now /2\n"
    )

    def times(*words: str) -> tuple[str, str]:
        carrack("build", *words, "-o", str(tmp_path / "out"), str(tmp_path))
        return (tmp_path / "out/1").read_text(), (tmp_path / "out/2").read_text()

    first = times()
    assert times() == first
    second = times("--no-cache-filter", "One")
    assert (second[0] != first[0], second[1]) == (True, first[1])
    third = times("--no-cache-filter", "none,two", "--no-cache-filter", "one")
    assert (third[0] != second[0], third[1] != second[1]) == (True, True)
    failed = carrack("build", "--no-cache", "--no-cache-filter", "one", str(tmp_path), check=False)
    assert (failed.returncode, "cannot currently be used together" in failed.stderr) == (1, True)


def test_entitlements(carrack: Cli, daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN --network=host readlink /proc/self/ns/net\n")
    failed = carrack("build", str(tmp_path), check=False)
    assert (failed.returncode, "build with --allow network.host" in failed.stderr) == (1, True)
    shown = carrack("build", "--allow", "network.host", str(tmp_path)).stdout
    assert f"\n{os.readlink('/proc/self/ns/net')}\n" in shown
    for name in ("security.insecure", "everything"):
        failed = carrack("build", "--allow", name, str(tmp_path), check=False)
        assert f"granting entitlement {name} is not allowed by build daemon configuration" in failed.stderr
    status, answer = api(daemon, "POST", "/build?allow=network.host")
    assert (status, b"need style=buildkit" in answer) == (400, True)
