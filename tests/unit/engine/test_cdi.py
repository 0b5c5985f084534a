"""Device descriptions: which files give which devices, and what is wrong with the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.engine import cdi
from carrack.errors import InvalidArgument

SPEC: dict[str, Any] = {
    "cdiVersion": "0.6.0",
    "kind": "vendor.com/device",
    "containerEdits": {"env": ["SHARED=1"]},
    "devices": [
        {"name": "one", "containerEdits": {"env": ["ONE=1"]}},
        {"name": "two", "containerEdits": {"env": ["TWO=1"]}},
    ],
}


def write(folder: Path, name: str, spec: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(spec if isinstance(spec, str) else json.dumps(spec))
    return folder


def test_devices_and_their_edits(tmp_path: Path) -> None:
    registry = cdi.read([str(tmp_path / "missing"), str(write(tmp_path / "a", "vendor.json", SPEC))])
    assert set(registry.devices) == {"vendor.com/device=one", "vendor.com/device=two"}
    assert registry.kinds() == {"vendor.com/device"}
    names = ["vendor.com/device=two", "vendor.com/device=one", "vendor.com/device=two"]
    assert [edits["env"] for edits in registry.edits(names)] == [["SHARED=1"], ["TWO=1"], ["ONE=1"]]


def test_yaml(tmp_path: Path) -> None:
    text = """\
        cdiVersion: "0.5.0"
        kind: nvidia.com/gpu
        devices:
        - name: "0"
          containerEdits:
            deviceNodes:
            - path: /dev/nvidia0
        - {name: all, containerEdits: {env: [A=b]}}
    """
    folder = write(tmp_path, "nvidia.yaml", "\n".join(line[8:] for line in text.splitlines()))
    registry = cdi.read([str(folder)])
    assert set(registry.devices) == {"nvidia.com/gpu=0", "nvidia.com/gpu=all"}
    assert registry.devices["nvidia.com/gpu=0"].own == {"deviceNodes": [{"path": "/dev/nvidia0"}]}


def test_the_later_directory_counts_more_and_a_conflict_counts_for_nothing(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", "x.json", SPEC), write(tmp_path / "b", "x.json", SPEC)
    registry = cdi.read([str(first), str(second)])
    assert registry.devices["vendor.com/device=one"].file == f"{second}/x.json"
    write(first, "y.json", {**SPEC, "devices": SPEC["devices"][:1]})
    registry = cdi.read([str(first)])
    assert set(registry.devices) == {"vendor.com/device=two"}
    assert "conflicting device" in registry.errors[f"{first}/y.json"]


def test_names_that_are_not_there(tmp_path: Path) -> None:
    folder = write(tmp_path, "bad.json", "{")
    with pytest.raises(InvalidArgument, match=r"unresolvable CDI devices a\.b/c=d, a\.b/c=e; .*bad.json"):
        list(cdi.read([str(folder)]).edits(["a.b/c=d", "a.b/c=e"]))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "vendor"}, "kind"),
        ({"kind": "a/b/c"}, "kind"),
        ({"cdiVersion": None}, "cdiVersion"),
        ({"devices": []}, "devices"),
        ({"devices": [{"name": "-"}]}, "not a name"),
        ({"devices": [3]}, "not an object"),
        ({"containerEdits": {"intelRdt": {}}}, "intelRdt is not supported"),
        ({"containerEdits": {"netDevices": []}}, "netDevices is not supported"),
        ({"containerEdits": {"env": "A=b"}}, "env is not a list"),
        ({"containerEdits": {"deviceNodes": [{}]}}, "path is missing"),
        ({"containerEdits": {"mounts": [{"hostPath": "/x"}]}}, "containerPath is missing"),
        ({"containerEdits": {"hooks": [{"path": "/x"}]}}, "hookName is missing"),
    ],
)
def test_what_is_wrong_is_told_and_gives_no_device(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    registry = cdi.read([str(write(tmp_path, "x.json", {**SPEC, **change}))])
    assert not registry.devices
    assert text in registry.errors[f"{tmp_path}/x.json"]


def test_files_that_are_no_documents(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "a: [")
    write(tmp_path, "b.json", "[]")
    write(tmp_path, "c.txt", "{}")
    (tmp_path / "d.json").write_bytes(b"\xff")
    (tmp_path / "e.json").symlink_to(tmp_path / "nowhere")
    registry = cdi.read([str(tmp_path)])
    assert not registry.devices
    assert sorted(Path(file).name for file in registry.errors) == ["a.yaml", "b.json", "d.json", "e.json"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("vendor.com/class=name", True),
        ("v/c=0:1", True),
        ("/dev/x", False),
        ("vendor.com/class", False),
        ("vendor.com/=x", False),
        ("vendor/cl.ass=x", False),
        ("vendor/class=", False),
        ("vendor/class=a b", False),
    ],
)
def test_qualified_names(word: str, expected: bool) -> None:
    assert cdi.is_qualified(word) is expected


@given(st.text())
def test_any_word_is_judged(word: str) -> None:
    assert cdi.is_qualified(word) in (True, False)
