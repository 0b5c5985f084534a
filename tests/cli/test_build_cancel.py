"""`POST /build/cancel` reaches whatever a classic build consists of."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.cli.built import forget_builds
from tests.cli.running import Cli, DaemonProcess, api

pytestmark = pytest.mark.root

_ATTESTED = "&style=buildkit&attest=" + quote("type=provenance,mode=max")
_FILES = "&outputs=" + quote('[{"Type":"tar"}]')


def _context(text: str) -> bytes:
    spool = io.BytesIO()
    with tarfile.open(fileobj=spool, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return spool.getvalue()


@pytest.mark.census("POST /build/cancel", "POST /build?buildid")
@pytest.mark.parametrize("more", ["", _ATTESTED, _FILES], ids=["plain", "attested", "files"])
def test_cancel(daemon: DaemonProcess, docker: Cli, image: str, tmp_path: Path, more: str) -> None:
    (tmp_path / "context").write_bytes(_context(f"FROM {image}\nRUN echo it runs; sleep 987\n"))
    url = f"http://d/build?buildid=mine&t=canceled:1{more}"
    command = ["curl", "-sN", "--unix-socket", str(daemon.socket), "-T", str(tmp_path / "context"), "-X", "POST", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as building:
        assert building.stdout is not None
        told = any("it runs" in line for line in building.stdout)
        assert told
        api(daemon, "POST", "/build/cancel?id=mine")
        rest = building.stdout.read()
    assert json.loads(rest.splitlines()[-1])["error"] == "the build was canceled"
    for _ in range(100):
        if "sleep 987" not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout:
            break
        time.sleep(0.05)
    else:
        pytest.fail("its program goes on")
    assert docker("images", "-q", "canceled:1").stdout == ""
    forget_builds(daemon, docker, image)
