"""Bootstrapping: names, missing tools, and failures that are told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import HOST, World

from carrack.engine.images import bootstrap, busybox
from carrack.engine.images.bootstrap import Bootstrapper, check
from carrack.errors import InvalidArgument, NotSupported


@pytest.fixture
def maker(world: World, tmp_path: Path) -> Bootstrapper:
    return Bootstrapper(world.importer, world.content, tmp_path / "build", HOST)


async def said(message: dict[str, Any]) -> None:
    assert message["stream"].endswith("\n")


def test_names() -> None:
    assert check("busybox") == "busybox"
    assert check("docker.io/library/busybox:latest") == "busybox"
    assert check("debian:bookworm") == "debian:bookworm"
    for name in ("debian", "debian:sid", "busybox:1", "alpine", "user/busybox"):
        with pytest.raises(InvalidArgument, match=r"can be made here are busybox, debian:bookworm, debian:trixie"):
            check(name)


def test_missing_tools_name_their_package(maker: Bootstrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busybox, "PLACES", ())
    monkeypatch.setattr(bootstrap, "_PATH", "/nowhere")
    with pytest.raises(NotSupported, match="apt-get install busybox-static"):
        asyncio.run(maker.make("busybox", said))
    with pytest.raises(NotSupported, match="apt-get install mmdebstrap"):
        asyncio.run(maker.make("debian:bookworm", said))


def test_a_failing_tool_is_told_with_its_words(
    maker: Bootstrapper, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "mmdebstrap"
    tool.write_text("#!/bin/sh\necho 'E: no network'\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setattr(bootstrap, "_PATH", str(tmp_path))
    monkeypatch.setattr("carrack.engine.images.debian.command", lambda tool, suite, target: [tool])
    with pytest.raises(NotSupported, match="mmdebstrap failed with exit code 3: E: no network"):
        asyncio.run(maker.make("debian:bookworm", said))
    assert list((tmp_path / "build").iterdir()) == []
    assert world.leavings() == []


def test_start_sweeps_what_a_crash_left(maker: Bootstrapper, tmp_path: Path) -> None:
    (tmp_path / "build" / "old" / "etc").mkdir(parents=True)
    asyncio.run(maker.start())
    assert not (tmp_path / "build").exists()


def test_what_a_busybox_gives(maker: Bootstrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(Path(place).is_file() and busybox.is_static(Path(place).read_bytes()) for place in busybox.PLACES):
        pytest.skip("busybox-static is not installed")
    first = asyncio.run(maker.make("busybox", said))
    assert first.tags == ("busybox:latest",)
    assert first.config["config"]["Cmd"] == ["sh"]
    assert asyncio.run(maker.make("busybox:latest", said)).id == first.id
