"""The examples that need only busybox, by our command, by buildx and by Compose; what each shows when it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE
from tests.cli.running import CommandLine, DaemonProcess
from tests.examples.kitchen import EXAMPLES, Kitchen

SHOWN = {
    "chain": "60 /steps\n",
    "heredocs": "made by heredoc\nkept as it is: $NAME\nfirst\nSECOND\nfrom awk\npage 1\npage 2\npage 3\n",
    "stages": ".\n./left\n./left/name\n./passwd\n./public\n./right\n./right/link\n./right/name.txt\nleft\nright\n",
}
EPOCH = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"]


def test_each_is_told_of() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for folder in EXAMPLES.iterdir():
        if folder.is_dir():
            lines = (folder / "README.md").read_text().splitlines()
            assert len(lines) == 2, folder
            assert f"| [{folder.name}]({folder.name}) | {lines[0]} |" in listed


@pytest.mark.root
@pytest.mark.parametrize("name", SHOWN)
def test_by_our_command(name: str, kitchen: Kitchen) -> None:
    kitchen.carrack("build", "-t", f"ours-{name}", str(kitchen.copy(name)))
    assert kitchen.run(f"ours-{name}") == SHOWN[name]


@pytest.mark.root
@pytest.mark.parametrize("name", ["heredocs", "stages"])
def test_by_buildx(name: str, kitchen: Kitchen) -> None:
    kitchen.buildx(kitchen.copy(name), "-t", f"theirs-{name}")
    assert kitchen.run(f"theirs-{name}") == SHOWN[name]


@pytest.mark.root
def test_each_service_has_its_part(kitchen: Kitchen) -> None:
    place = kitchen.copy("monorepo")
    kitchen.compose(place, "build")
    assert kitchen.run("monorepo-api", "cat", "manifest") == "./serve.sh\n./shared/greeting\n"
    assert kitchen.run("monorepo-web", "cat", "manifest") == "./greeting\n./index.html\n"
    kitchen.carrack("build", "-f", str(place / "api" / "Dockerfile"), "-t", "api", str(place))
    assert kitchen.run("api") == "hello from all of us\napi has 2 files\n"


@pytest.mark.root
def test_secrets_are_read_and_not_kept(kitchen: Kitchen) -> None:
    place = kitchen.copy("secrets")
    kitchen.compose(place, "build", env={"TOKEN": "t0ken"})
    assert kitchen.run("secrets-app").splitlines()[0] == "3"
    archive = kitchen.carrack.raw("save", "secrets-app")
    assert b"t0ken" not in archive
    assert b"open-sesame" not in archive


@pytest.mark.root
def test_a_child_does_what_its_base_says(kitchen: Kitchen) -> None:
    place = kitchen.copy("onbuild")
    kitchen.carrack("build", "-t", "onbuild-base", str(place / "base"))
    said = kitchen.carrack("build", "--build-arg", "MODE=test", "-t", "app", str(place / "app")).stdout
    assert "# Executing 4 build triggers" in said
    assert kitchen.run("app") == "test: apple pear\n"


@pytest.mark.root
def test_compose_builds_a_child_on_its_base(kitchen: Kitchen) -> None:
    place = kitchen.copy("onbuild")
    kitchen.compose(place, "build", env={"COMPOSE_BAKE": "false"})
    assert kitchen.run("onbuild-app") == "production: apple pear\n"


@pytest.mark.root
def test_the_same_on_two_data_roots(kitchen: Kitchen, tmp_path: Path) -> None:
    place = kitchen.copy("reproducible")
    other = DaemonProcess(tmp_path)
    try:
        other.start()
        command = CommandLine("carrack", other)
        command("load", stdin=kitchen.carrack.raw("save", IMAGE))
        first = kitchen.carrack("build", "-q", *EPOCH, str(place)).stdout
        os.utime(place / "Dockerfile", (1_750_000_000, 1_750_000_000))
        assert command("build", "-q", *EPOCH, str(place)).stdout == first
        created = command("inspect", "-f", "{{.Created}}", first.strip()).stdout
        assert created == "2023-11-14T22:13:20Z\n"
        assert kitchen.buildx(place, *EPOCH, "-t", "by-buildx")
        assert kitchen.carrack("images", "-q", "--no-trunc", "by-buildx").stdout == first
    finally:
        other.stop()
