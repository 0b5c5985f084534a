from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.suites.tarballs import END, file

from carrack.storage import looker
from carrack.storage.apply import apply
from carrack.storage.snapshots.probe import layer_store


@pytest.fixture(autouse=True)
def _not_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looker, "confine", lambda parent: None)


def ask(capsys: pytest.CaptureFixture[str], **request: Any) -> tuple[int, dict[str, Any]]:
    code = looker.main([json.dumps({"full": False, "most": 10, "parent": os.getppid(), **request})])
    return code, json.loads(capsys.readouterr().out)


def test_a_layer_is_read_once_wherever_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    applied = apply(io.BytesIO(file(b"a", b"1") + END), layer_store("erofs", tmp_path / "l"))
    layer = (applied.diff_id, "")
    where = {"driver": "erofs", "root": str(tmp_path / "l"), "content": str(tmp_path / "c")}
    layers = looker.Layers(
        {**where, "images": [[layer], [layer]], "full": False, "most": 1, "parent": 0}  # type: ignore[typeddict-item]
    )
    assert layers.tree(0) is layers.tree(1)
    node = (layers.tree(0).root.children or {})[b"a"]
    assert layers.data(1, node) == b"1"
    assert list(layers.digests([(0, node), (1, node)])) == [id(node)]
    assert ask(capsys, **where, images=[[layer]])[1]["Bytes"] == 1
    code, answer = ask(capsys, **where, images=[[layer], [layer]])
    assert (code, answer["Changes"]) == (0, [])


@pytest.mark.root
def test_a_layer_whose_bytes_were_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    applied = apply(io.BytesIO(file(b"a", b"1") + END), layer_store("overlay", tmp_path / "l"))
    where = {"driver": "overlay", "root": str(tmp_path / "l"), "content": str(tmp_path / "c")}
    code, answer = ask(capsys, **where, images=[[(applied.diff_id, "")]])
    assert (code, answer["error"]) == (1, "NotFound")
    assert "were not kept" in answer["message"]
