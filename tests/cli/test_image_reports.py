"""``image explain`` and ``image diff``, of images made by real containers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def ours(daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """Two images on top of the base: `report:1` writes files, `report:2` changes, deletes and copies them."""
    cli = CommandLine("carrack", daemon)
    cli("run", "--name", "first", image, "sh", "-c", "head -c 90000 /dev/zero > /big; head -c 5000 /bin/sh > /part")
    cli("commit", "-c", "ENV A=1", "first", "report:1")
    steps = "rm /big; chmod 600 /part; mkdir /d; cp /part /d/copy; echo x > /d/more"
    cli("run", "--name", "second", "report:1", "sh", "-c", steps)
    cli("commit", "-c", "ENV A=2", "-c", "LABEL new=yes", "second", "report:2")
    cli("rm", "first", "second")
    yield cli
    cli("rmi", "report:2", "report:1")


def test_explain(ours: Cli) -> None:
    told = ours("image", "explain", "report:2").stdout
    rows = {line.split()[0]: line for line in told.splitlines() if line[:1].isdigit()}
    assert "sh -c head -c 90000" in rows["2"]
    assert "95kB" in rows["2"]
    assert "can be seen" in told
    assert "deleted by layer 3" in next(line for line in told.splitlines() if line.endswith(" /big"))
    assert "/d/copy /part" in told
    again = next(line for line in told.splitlines() if line.endswith(" /part") and "same content" in line)
    assert again.split()[:3] == ["5kB", "layer", "2"]
    assert "Largest" not in ours("image", "explain", "-n", "0", "report:2").stdout
    report = json.loads(ours("image", "explain", "--json", "report:2").stdout)
    assert (report["Hidden"], report["Layers"][2]["Hides"]) == (95000, 95000)
    assert ours("image", "explain", "--format", "{{.Hidden}}", "report:2").stdout == "95000\n"


def test_diff(ours: Cli, image: str) -> None:
    told = ours("image", "diff", "report:1", "report:2").stdout
    lines = [line.split() for line in told.splitlines()]
    assert ["~", "Env.A", "1", "→", "2"] in lines
    assert ["+", "Labels.new", "yes"] in lines
    assert ["-", "/big", "90kB"] in lines
    assert ["~", "/part", "5kB", "mode"] in lines
    assert ["+", "/d/", "5kB", "2", "files"] in lines
    assert "/d/more" in ours("image", "diff", "--files", "--full", "report:1", "report:2").stdout
    assert "Env" not in ours("image", "diff", "--files", "report:1", "report:2").stdout
    assert ours("image", "diff", image, image).stdout == "No difference but, at the most, in times.\n"
    report = json.loads(ours("image", "diff", "--json", image, "report:1").stdout)
    assert (report["SharedLayers"], report["Added"]["Bytes"]) == (1, 95000)


def test_refusals(ours: Cli) -> None:
    assert "No such image: nosuch:latest" in ours("image", "explain", "nosuch", check=False).stderr
    assert "No such image: nosuch:latest" in ours("image", "diff", "report:1", "nosuch", check=False).stderr
    assert api(ours.daemon, "GET", "/carrack/images/diff?from=report:1")[0] == 400
    assert api(ours.daemon, "GET", "/carrack/images/report:1/explain?limit=-1")[0] == 400
