from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carrack.linux.mount import parse_options
from carrack.runtime.commands import documents
from carrack.runtime.main import main
from carrack.runtime.state import StateRoot


def test_every_mount_option_that_is_named_is_understood() -> None:
    assert parse_options(documents.MOUNT_OPTIONS).data == []
    assert sorted(documents.MOUNT_OPTIONS) == documents.MOUNT_OPTIONS


def test_features(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ociVersionMin"] == "1.0.0"
    assert {"user", "time", "cgroup"} <= set(found["linux"]["namespaces"])
    assert found["linux"]["cgroup"]["v2"] is True
    assert len(found["linux"]["capabilities"]) == 41


def test_spec_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "-b", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "config.json").read_text()) == documents.template()
    assert main(["spec", "-b", str(tmp_path)]) == 1
    assert "exists. Remove it first" in capsys.readouterr().err


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(documents, "cgroup_of", lambda *_: None)
    record: dict[str, Any] = {"pid": 0, "bundle": "/b", "rootfs": "/r", "created": "now"}
    for name in ("one", "two"):
        StateRoot(str(tmp_path)).create(name, record, {})
    return str(tmp_path)


def test_lists(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", root, "list"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [row.split()[:3] for row in rows] == [["one", "0", "creating"], ["two", "0", "creating"]]
    assert main(["--root", root, "list", "-q"]) == 0
    assert capsys.readouterr().out.split() == ["one", "two"]
    assert main(["--root", root, "list", "--format", "json"]) == 0
    assert [entry["id"] for entry in json.loads(capsys.readouterr().out)] == ["one", "two"]
    assert main(["--root", root, "list", "--format", "xml"]) == 1


def test_state(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", root, "state", "one"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"ociVersion", "id", "status", "bundle", "pid"} <= set(document)
