"""What a build gives as a whole, as documents."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fakes.building import Workshop

from carrack.engine.build.annotating import Annotations
from carrack.engine.build.product import Part, Product, assemble, beside
from carrack.engine.build.results import Result
from carrack.oci import attestation, manifest, media_types, reference
from carrack.oci import digest as digests
from carrack.oci import platform as platforms
from carrack.oci.descriptor import Descriptor

ARM = platforms.parse("linux/arm64")
NAME = reference.parse("app:1")
CLAIM = attestation.Claim(attestation.SPDX, lambda _: {"packages": []}, "sbom.spdx.json")
INLINE = attestation.Claim(attestation.SLSA["v0.2"], lambda _: {}, "provenance.json", inline_only=True)


def describe(diff_id: str) -> Descriptor:
    return Descriptor(media_types.OCI_LAYER, diff_id, 9)


def built(workshop: Workshop, **more: Any) -> Result:
    result, _ = asyncio.run(workshop.build("FROM base\nCOPY a /a\n", {"a": "text"}, **more))
    return result


def test_one_platform(workshop: Workshop) -> None:
    product = Product((Part(built(workshop)),), {"l": "1"}, 5)
    assert product.plain
    assert product.created(product.parts[0]) == 5_000_000_000
    made = assemble(product, [NAME], describe)
    (packed,) = made.parts
    parsed = manifest.parse(packed.manifest)
    assert isinstance(parsed, manifest.Manifest)
    assert parsed.config.digest == digests.of(packed.config)
    assert [layer.digest for layer in parsed.layers] == list(product.result.layers)
    assert json.loads(packed.config)["config"]["Labels"] == {"l": "1"}
    assert (made.index, made.top.digest) == (b"", packed.entry.digest)


def test_several_platforms(workshop: Workshop) -> None:
    product = Product((Part(built(workshop)), Part(built(workshop, platform=ARM))), epoch=5)
    made = assemble(product, [NAME], describe)
    index = manifest.parse_index(made.index)
    assert [str(each.platform) for each in index.manifests] == ["linux/amd64", "linux/arm64"]
    assert made.top == Descriptor(media_types.OCI_INDEX, digests.of(made.index), len(made.index))
    assert assemble(product, [NAME], describe).index == made.index


def test_annotations(workshop: Workshop) -> None:
    said = Annotations({"i": "1"}, {"id": "2"}, {"": {"m": "3"}, "linux/arm64": {"m": "4"}}, {"": {"d": "5"}})
    result = built(workshop)
    made = assemble(Product((Part(result),), epoch=5, annotations=said), [], describe)
    index = manifest.parse_index(made.index)
    assert (index.annotations, index.manifests[0].annotations) == ({"i": "1"}, {"d": "5"})
    parsed = manifest.parse(made.parts[0].manifest)
    assert isinstance(parsed, manifest.Manifest)
    assert parsed.annotations == {"m": "3"}
    only = Product((Part(result),), annotations=Annotations(manifest={"": {"m": "3"}}))
    assert not only.plain
    assert not only.indexed


def test_what_is_said_is_said_of_the_manifest(workshop: Workshop) -> None:
    product = Product((Part(built(workshop), (CLAIM, INLINE)),), epoch=5)
    made = assemble(product, [NAME], describe)
    index = manifest.parse_index(made.index)
    image, said = index.manifests
    assert said.annotations[attestation.OF] == image.digest
    parsed = manifest.parse(made.extras[said.digest])
    assert isinstance(parsed, manifest.Manifest)
    statements = [json.loads(made.extras[layer.digest]) for layer in parsed.layers]
    assert [each["predicateType"] for each in statements] == [attestation.SPDX, attestation.SLSA["v0.2"]]
    subject = {"name": "pkg:docker/app@1?platform=linux%2Famd64", "digest": {"sha256": image.digest[7:]}}
    assert all(each["subject"] == [subject] for each in statements)


def test_what_is_only_for_what_leaves(workshop: Workshop) -> None:
    product = Product((Part(built(workshop), (INLINE,)),))
    assert product.leaving(True).indexed
    assert product.leaving(False).plain


def test_statements_about_files(workshop: Workshop) -> None:
    product = Product((Part(built(workshop), (CLAIM,)),))
    tree = workshop.context({"a": "text", "d/b": "more"})
    try:
        made = beside(product, {b"linux_amd64": tree}, "p-", describe)
    finally:
        tree.close()
    assert list(made) == [b"linux_amd64/p-sbom.spdx.json"]
    said = json.loads(made[b"linux_amd64/p-sbom.spdx.json"])
    assert said["subject"] == [
        attestation.subject("a", digests.of(b"text")), attestation.subject("d/b", digests.of(b"more")),
    ]  # fmt: skip
