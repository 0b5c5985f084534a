from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from carrack.cli import manifest_lists
from carrack.cli.manifest_lists import Lists
from carrack.errors import InvalidArgument
from carrack.oci import media_types, reference

LIST = reference.parse("r.example:5000/team/app:1")
DATA = b'{"schemaVersion": 2, "layers": []}'


def made(ref: str, architecture: str = "amd64", kind: str = media_types.DOCKER_MANIFEST) -> dict[str, Any]:
    return manifest_lists.entry(ref, kind, "sha256:" + "0" * 64, DATA, {"os": "linux", "architecture": architecture})


def test_lists_lie_where_docker_has_them(tmp_path: Path) -> None:
    lists = Lists(str(tmp_path))
    assert LIST not in lists
    assert lists.entries(LIST) == []
    for name in ("r.example:5000/team/app:b", "docker.io/library/x:a"):
        lists.put(LIST, reference.parse(name), made(name))
    folder = tmp_path / "manifests/r.example-5000_team_app-1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "docker.io_library_x-a",
        "r.example-5000_team_app-b",
    ]
    assert [kept["Ref"] for kept in lists.entries(LIST)] == ["docker.io/library/x:a", "r.example:5000/team/app:b"]
    assert lists.entry(LIST, reference.parse("x:b")) is None
    kept = lists.entry(LIST, reference.parse("x:a"))
    assert kept is not None
    assert manifest_lists.raw(kept) == DATA
    assert kept["SchemaV2Manifest"] == json.loads(DATA)
    lists.remove(LIST)
    assert LIST not in lists


@pytest.mark.parametrize("text", ["{", "[]", '{"Ref": "x"}', '{"Ref": 1, "Raw": "", "Descriptor": {"platform": {}}}'])
def test_what_is_no_list_is_told(tmp_path: Path, text: str) -> None:
    lists = Lists(str(tmp_path))
    lists.put(LIST, LIST, made("x:1"))
    (tmp_path / "manifests/r.example-5000_team_app-1/r.example-5000_team_app-1").write_text(text)
    with pytest.raises(InvalidArgument, match="remove the list and create it again"):
        lists.entries(LIST)


def test_annotations() -> None:
    kept = made("x:1")
    manifest_lists.annotate(
        kept, {"architecture": "arm64", "variant": "v8", "os.features": ["a"], "os.version": "1", "os": ""}
    )
    assert list(kept["Descriptor"]["platform"].items()) == [
        ("architecture", "arm64"),
        ("os", "linux"),
        ("os.version", "1"),
        ("os.features", ["a"]),
        ("variant", "v8"),
    ]
    manifest_lists.annotate(kept, {})
    for given, told in (({"os": "foo"}, "foo/"), ({"architecture": "foo"}, "/foo")):
        with pytest.raises(InvalidArgument, match=f"unsupported os/arch combination: {told}$"):
            manifest_lists.annotate(kept, given)


def test_the_list_has_docker_s_bytes() -> None:
    docker = {"mediaType": media_types.DOCKER_MANIFEST, "digest": "sha256:c1b5978ef5a1151cd99d95a65ca40f074ca7b43e580c0db2d142e8cd2058266d", "size": 527}  # fmt: skip  # noqa: E501
    platforms: list[dict[str, Any]] = [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "os.version": "10", "os.features": ["a", "b"], "variant": "v8"},
    ]
    data = manifest_lists.index([{**docker, "platform": platform} for platform in platforms])
    assert hashlib.sha256(data).hexdigest() == "1fef574b821b4e736b267035de42165b114dab03ac8ca4a486bf1a865759b9de"
    oci = made("x:1", kind=media_types.OCI_MANIFEST)
    assert "OCIManifest" in oci
    assert json.loads(manifest_lists.index([oci["Descriptor"]]))["mediaType"] == media_types.OCI_INDEX
