"""What a build leaves that is cut short at a RUN with mounts: nothing, whether the client or the daemon goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually
from tests.faults.audit import Auditor
from tests.faults.leftovers import of_steps

pytestmark = pytest.mark.root

SECONDS = f"9{os.getpid()}"  # by which its program is told from others
TEXT = f"""FROM busybox AS one
RUN mkdir /d && echo stage > /d/f
FROM busybox
COPY f /f
RUN --mount=source=.,target=/ctx,rw --mount=from=one,source=/d,target=/st,rw --mount=type=tmpfs,target=/tmp/t \\
    --mount=type=cache,target=/c,sharing=locked <<END
#!/bin/sh
touch /ctx/new /st/new /tmp/t/new /layer /c/begun
[ -e /c/go ] || sleep {SECONDS}
END
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path, "--slots", "1")
    made.start()
    try:
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield made
    finally:
        made.stop()


@pytest.fixture
def context(tmp_path: Path) -> str:
    place = tmp_path / "context"
    place.mkdir()
    (place / "f").write_text("x")
    (place / "Dockerfile").write_text(TEXT)
    return str(place)


def cache(daemon: DaemonProcess) -> Path | None:
    return next((daemon.root / "data" / "build" / "mounts").glob("*/0/files"), None)


def begun(daemon: DaemonProcess) -> bool:
    folder = cache(daemon)
    return folder is not None and (folder / "begun").exists()


def left(daemon: DaemonProcess) -> list[str]:
    return of_steps(daemon, ["sleep", SECONDS])


def nothing_left(daemon: DaemonProcess) -> bool:
    return not left(daemon)


def then_it_works(cli: Cli, daemon: DaemonProcess, context: str) -> None:
    folder = cache(daemon)
    assert folder is not None
    (folder / "go").touch()
    cli("build", "-t", "made", context)
    assert cli("run", "--rm", "made", "ls", "/layer", "/f").stdout == "/f\n/layer\n"
    eventually(lambda: nothing_left(daemon))
    cli("rmi", "made")
    api(daemon, "POST", "/build/prune?all=1")
    # a process that makes layers may wait for another one
    eventually(lambda: Auditor(daemon).differences() == [])


def test_the_client_goes_away(daemon: DaemonProcess, context: str) -> None:
    cli = CommandLine("docker", daemon)
    client = cli.start("build", "-t", "made", context)
    eventually(lambda: begun(daemon))
    assert left(daemon)
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=30)
    eventually(lambda: nothing_left(daemon))
    then_it_works(cli, daemon, context)


def test_the_daemon_is_killed(daemon: DaemonProcess, context: str) -> None:
    cli = CommandLine("carrack", daemon)
    client = cli.start("build", "-t", "made", context)
    eventually(lambda: begun(daemon))
    daemon.crash()
    client.communicate(timeout=30)
    assert left(daemon)
    daemon.start()
    eventually(lambda: nothing_left(daemon))
    assert cli("ps", "-aq").stdout == ""
    then_it_works(cli, daemon, context)


def test_the_daemon_ends(daemon: DaemonProcess, context: str) -> None:
    cli = CommandLine("carrack", daemon)
    client = cli.start("build", "-t", "made", context)
    eventually(lambda: begun(daemon))
    daemon.end()
    client.communicate(timeout=30)
    assert nothing_left(daemon)
    daemon.start()
    then_it_works(cli, daemon, context)
