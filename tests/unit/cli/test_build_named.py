"""``--build-context``: what the daemon is told; what becomes of it: tests/cli/test_build_own_words.py."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from carrack.cli.build_named import told
from carrack.cli.exit import Exit


class FakeDaemon:
    def __init__(self) -> None:
        self.sent: list[list[str]] = []

    def upload(self, method: str, path: str, query: Any, body: bytes) -> io.BytesIO:
        assert (method, path, query) == ("POST", "/build/context/files", {})
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            self.sent.append(tar.getnames())
        return io.BytesIO(b'{"ID": "one"}')


def test_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in ((".dockerignore", "*.md\n"), ("a.md", ""), ("b", "")):
        (folder / name).write_text(text)
    digest = "sha256:" + "a" * 64
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"digest": digest}]}))
    daemon, query = FakeDaemon(), dict[str, Any]()
    places = {"i": "docker-image://x", "u": "https://h.test/f", "f": "folder", "l": "oci-layout://."}
    places["p"] = f"oci-layout://folder:t@{digest}"
    found = told(daemon, [f"{name}={place}" for name, place in places.items()], query)  # type: ignore[arg-type]
    assert found == [str(tmp_path), str(folder)]
    assert daemon.sent == [[".dockerignore", "b"]]
    assert json.loads(query["contexts"]) == places | {
        "f": "sent:one",
        "l": f"oci-layout://{os.getcwd()}:latest@{digest}",
        "p": f"oci-layout://{folder}:t@{digest}",
    }


@pytest.mark.parametrize("word", ["a", "=b", "a=", "a=/nowhere", "a=target:b", "a=oci-layout:///nowhere:1"])
def test_refused_before_anything_is_sent(word: str, tmp_path: Path) -> None:
    daemon = FakeDaemon()
    with pytest.raises(Exit):
        told(daemon, [f"f={tmp_path}", word], {})  # type: ignore[arg-type]
    assert daemon.sent == []
