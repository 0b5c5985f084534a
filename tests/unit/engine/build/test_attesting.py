"""What is said about a build's image, by the words of those who asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.building import Watcher, Workshop
from tests.unit.engine.build.test_service import builder, request

from carrack.engine.build import attesting
from carrack.engine.build.attesting import Who
from carrack.engine.build.scanning import Scanners
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import attestation
from carrack.oci.descriptor import Descriptor

STAGES = "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM base AS one\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nRUN x\n" \
         "FROM base\nCOPY --from=one / /\nCOPY a /\n"  # fmt: skip
NOTHING = Descriptor("", "", 0)


def test_words() -> None:
    assert attesting.words('mode=max,"a=b,c",flag') == {"mode": "max", "a": "b,c", "flag": ""}
    assert attesting.words("") == {}
    with pytest.raises(InvalidArgument):
        attesting.words('"a')


def test_what_is_asked() -> None:
    assert attesting.read({"filename": "x"}) == attesting.NONE
    assert not attesting.NONE
    assert attesting.read({"attest:sbom": ""}).sbom == {}
    assert attesting.read({"attest:sbom": "type=sbom,disabled=true"}).sbom is None
    assert attesting.read({"attest:provenance": "mode=max"}).provenance is not None
    with pytest.raises(InvalidArgument, match="unknown type"):
        attesting.read({"attest:what": ""})


def claims(workshop: Workshop, asked: dict[str, str], text: str = STAGES) -> tuple[list[attestation.Claim], Watcher]:
    watcher = Watcher()

    async def run() -> list[attestation.Claim]:
        made = builder(workshop)
        wanted = replace(request(workshop, text), epoch=5)
        async with made.solved(wanted, watcher) as result:
            return list(
                await made.attester.claims(
                    attesting.read(asked), wanted, result, Who(asked, "b", text.encode()), watcher
                )
            )

    return asyncio.run(run()), watcher


def test_targets(workshop: Workshop) -> None:
    made, watcher = claims(workshop, {"attest:sbom": "", "attest:provenance": "mode=min"})
    assert [each.name for each in made] == [
        "sbom.spdx.json", "sbom-build-context.spdx.json", "sbom-one.spdx.json", "provenance.json",
    ]  # fmt: skip
    predicate = made[0].predicate(lambda _: NOTHING)
    assert predicate["creationInfo"]["created"] == "1970-01-01T00:00:05Z"
    assert watcher.ends["[linux/amd64] generating sbom using carrack"] == (False, "", "")


def test_only_what_is_wanted(workshop: Workshop) -> None:
    (made,), _ = claims(workshop, {"attest:sbom": ""}, "FROM base AS one\nRUN x\nFROM base\nCOPY --from=one / /\n")
    assert made.name == "sbom.spdx.json"
    assert claims(workshop, {})[0] == []


def test_a_scanner_that_is_not_there(workshop: Workshop) -> None:
    with pytest.raises(NotFound, match="nobody/scanner"):
        claims(workshop, {"attest:sbom": "generator=nobody/scanner"})


def test_a_scanner(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.bases.images["scanner"] = {"config": {"Entrypoint": ["/scan"]}}
    seen: list[Any] = []

    async def scanned(_: Any, base: Any, words: Any, targets: Any, *__: Any) -> tuple[()]:
        seen.append((base.state.config["Entrypoint"], words, [each.name for each in targets]))
        return ()

    monkeypatch.setattr(Scanners, "by", scanned)
    _, watcher = claims(workshop, {"attest:sbom": "generator=scanner,A=b"}, "FROM base\nRUN x\n")
    assert seen == [(["/scan"], {"A": "b"}, ["sbom"])]
    assert "[linux/amd64] generating sbom using scanner" in watcher.ends
