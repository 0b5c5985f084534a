"""The bundle that hooks find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.containers import container

from carrack.engine.containers import hooked
from carrack.engine.runtimes import OWN


def test_only_containers_with_hooks_have_a_bundle(tmp_path: Path) -> None:
    c = container()
    c.host_config["Runtime"] = OWN
    plain: Any = {"root": {"path": "rootfs"}, "linux": {}}
    hooked.prepare(plain, c, str(tmp_path))
    assert hooked.plan(plain, c, str(tmp_path)) == {}
    assert not list(tmp_path.iterdir())
    spec: Any = {**plain, "hooks": {"poststop": [{"path": "/bin/true"}]}, "annotations": {"a": "b"}}
    hooked.prepare(spec, c, str(tmp_path))
    assert json.loads((tmp_path / "config.json").read_text())["root"]["path"] == f"{tmp_path}/rootfs"
    plan = hooked.plan(spec, c, str(tmp_path))
    assert plan["root_path"] == f"{tmp_path}/rootfs"
    mapped: Any = {**spec, "linux": {"uidMappings": [{}]}}
    assert "root_path" not in hooked.plan(mapped, c, str(tmp_path))
    assert plan["state"] == {"ociVersion": "1.2.0", "id": c.id, "bundle": str(tmp_path), "annotations": {"a": "b"}}
    c.host_config["Runtime"] = "runc"
    assert hooked.plan(spec, c, str(tmp_path)) == {}
