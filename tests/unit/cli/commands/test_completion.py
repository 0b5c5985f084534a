"""What may stand at the cursor, of images and registries (networks: test_networks.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.api_server import serving

from carrack.cli.main import main

IMAGES = [{"Id": "a", "RepoTags": ["web:2", "web:1"]}, {"Id": "b", "RepoTags": None}]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["image", "ex"], ["explain"]),
        (["image", "explain", ""], ["web:1", "web:2"]),
        (["image", "diff", "web:1", "web"], ["web:1", "web:2"]),
        (["image", "diff", "--p"], ["--packages"]),
        (["image", "prune", ""], []),
        (["image", "history", "--platform", "linux/arm/"], ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"]),
        (["run", "--platform=linux/am"], ["--platform=linux/amd64"]),
        (["run", "--pull", ""], ["always", "missing", "never"]),
        (["login", ""], ["other:5000", "r.example"]),
        (["logout", "r."], ["r.example"]),
    ],
)
def test_completion(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    found: list[str],
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"https://r.example/v1/": {}, "other:5000": {}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_AUTH_CONFIG", raising=False)
    with serving(tmp_path / "s", {"GET /images/json": (200, IMAGES)}):
        assert main(["-H", f"unix://{tmp_path}/s", "__complete", *words]) == 0
    assert capsys.readouterr().out.split() == found
