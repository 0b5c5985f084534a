"""What a build was lent for a RUN is nowhere afterwards: no secret, and no password of an address (CVE-2023-26054)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.buildx import Buildx
from tests.cli.running import Cli, DaemonProcess, api

pytestmark = pytest.mark.root

TEXT = """FROM busybox
RUN --mount=type=secret,id=tok,env=TOK --mount=type=secret,id=tok,target=/t/s [ "$TOK" = "$(cat /t/s)" ] && ls -l /t/s
RUN --mount=type=secret,id=tok,env=TOK echo kept > /kept; ls /t /run/secrets 2>&1; exit $((${#TOK} - LENGTH))
"""


def holding(word: str, *places: Path) -> list[str]:
    """The files below some places that hold a word."""
    done = subprocess.run(["grep", "-rlaF", word, *map(str, places)], capture_output=True, text=True, check=False)
    return done.stdout.split()


@pytest.mark.parametrize("fails", [False, True])
def test_a_secret_is_nowhere_afterwards(
    buildx: Buildx, daemon: DaemonProcess, docker: Cli, tmp_path: Path, fails: bool
) -> None:
    canary = f"canary-{tmp_path.name}-{'x' * 20}"
    (tmp_path / "secret").write_text(canary)
    text = TEXT.replace("LENGTH", str(len(canary) - fails))
    done = buildx(text, "-t", "made", "--secret", f"id=tok,src={tmp_path}/secret", check=False)
    assert done.returncode == int(fails), done.stderr
    assert "-r--------" in done.stderr
    assert "ls: /t: No such file" in done.stderr
    assert canary not in done.stderr
    if not fails:
        for words in (("inspect", "made"), ("history", "--no-trunc", "made"), ("run", "--rm", "made", "env")):
            assert canary not in docker(*words).stdout
        assert canary.encode() not in docker.raw("save", "made")
    _, events = api(daemon, "GET", "/events?since=0&until=1")
    _, usage = api(daemon, "GET", "/system/df")
    assert canary not in json.dumps([str(events), str(usage)])
    assert holding(canary, daemon.root / "data", daemon.root / "run", daemon.log) == []


def test_cve_2023_26054_a_password_of_an_address_is_in_no_error(build: Buildx, daemon: DaemonProcess) -> None:
    done = build("FROM busybox\nADD http://user:canary-26054@127.0.0.1:1/x.git /x", check=False)
    assert done.returncode == 1
    told = done.stderr + done.stdout.partition("\n ---> ")[2].partition("Step 2/2")[2].partition("\n")[2]
    assert "canary-26054" not in told
    assert holding("canary-26054", daemon.root / "data", daemon.root / "run", daemon.log) == []
