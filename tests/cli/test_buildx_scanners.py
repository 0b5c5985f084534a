"""`--sbom generator=…`: scanners of the user's own, by the real buildx."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.buildx import Buildx
from tests.cli.running import Cli

pytestmark = pytest.mark.root


def test_a_scanner_of_the_users_own(buildx: Buildx, docker: Cli, image: str, tmp_path: Path) -> None:
    said = '{"predicateType":"https://spdx.dev/Document","predicate":{"name":"%s"}}'
    script = (
        f"ls $BUILDKIT_SCAN_SOURCE > /tmp/l; printf '{said}' $(cat /tmp/l) > $BUILDKIT_SCAN_DESTINATION/s.spdx.json"
    )
    buildx(f'FROM {image}\nENTRYPOINT ["sh", "-c", {json.dumps(script)}]\n', "-t", "scanner:1")
    buildx("FROM scratch\nCOPY a /a\n", "--sbom", "generator=scanner:1", "-o", str(tmp_path / "out"), a="1")
    assert json.loads((tmp_path / "out" / "s.spdx.json").read_text())["predicate"] == {"name": "a"}
    script = script.replace("ls $BUILDKIT_SCAN_SOURCE ", "cd /run/src/extras; echo */[ab] | tr ' ' ';' ")
    buildx(f'FROM {image}\nENTRYPOINT ["sh", "-c", {json.dumps(script)}]\n', "-t", "scanner:1")
    text = (
        "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch AS one\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nCOPY b /b\n"
        "FROM scratch\nCOPY --from=one b /\nCOPY a /"
    )
    buildx(text, "--sbom", "generator=scanner:1", "-o", str(tmp_path / "two"), a="A", b="B")
    seen = json.loads((tmp_path / "two" / "s.spdx.json").read_text())["predicate"]["name"].split(";")
    assert seen == ["sbom-build-context/a", "sbom-build-context/b", "sbom-one/b"]
