"""CVE-2024-23651: two RUNs with one cache; the one exchanges a folder of it for a link to the host, while the other's
mount of that folder is being made.

(The daemon's own hand in a cache that a program has already: test_cachemounts.py.)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import DaemonProcess, Result
from tests.security.racer import exchanging

pytestmark = pytest.mark.root

FILL = """FROM busybox
RUN --mount=type=cache,id=raced,target=/c mkdir /c/sub && touch /c/sub/honest && ln -s LINK /c/evil
"""
LOOK = """FROM busybox
ARG N
RUN --mount=type=cache,id=raced,source=sub,target=/m echo "found $(ls /m)"
"""


@pytest.mark.parametrize("up", [False, True])
def test_a_link_in_place_of_a_part(
    build: Callable[..., Result], daemon: DaemonProcess, tmp_path: Path, up: bool
) -> None:
    prize = tmp_path / "prize"
    prize.mkdir()
    (prize / "secret").touch()
    build(FILL.replace("LINK", f"{'../' * 40}{str(prize)[1:]}" if up else str(prize)))
    (folder,) = (daemon.root / "data" / "build" / "mounts").glob("*/0/files")
    with exchanging(folder / "sub", folder / "evil"):
        tries = [build(LOOK, "--build-arg", f"N={number}", check=False) for number in range(12)]
    assert {done.returncode for done in tries} <= {0, 1}
    for done in tries:
        assert "secret" not in done.stdout
        assert "found honest" in done.stdout or "escapes the base directory" in done.stderr
