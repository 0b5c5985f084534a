"""CVE-2024-23652: the builder takes away the mount points that it has made, and a program has put a link to the host's
files in the way of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import Result

pytestmark = pytest.mark.root


@pytest.mark.parametrize("up", [False, True])
def test_a_link_in_the_way_to_a_mount_point(build: Callable[..., Result], tmp_path: Path, up: bool) -> None:
    (tmp_path / "y" / "z").mkdir(parents=True)
    link = f"{'../' * 40}{str(tmp_path)[1:]}" if up else str(tmp_path)
    shown = build(f"""FROM busybox
RUN --mount=type=tmpfs,target=/x/y/z mv /x /moved && ln -s {link} /x
RUN ls -d /x /moved /moved/y 2>&1; readlink /x
""").stdout
    assert (tmp_path / "y" / "z").is_dir()
    assert f"\n{link}\n" in shown


def test_a_mount_point_behind_a_link_of_the_image(build: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    shown = build(f"""FROM busybox
RUN mkdir -p {tmp_path} /real && ln -s {tmp_path} /host && ln -s /real /link
RUN --mount=type=tmpfs,target=/host/made --mount=type=tmpfs,target=/link/deep/er touch /host/made/f /link/deep/er/f
RUN ls {tmp_path} /real
""").stdout
    assert list((tmp_path / "made").iterdir()) == []
    assert f"\n/real:\n\n{tmp_path}:\n" in shown
