"""Statements about images, and the manifests that carry them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carrack.errors import InvalidArgument
from carrack.oci import attestation, manifest, media_types
from carrack.oci import digest as digests
from carrack.oci.descriptor import Descriptor

IMAGE, OTHER = digests.of(b"image"), digests.of(b"other")
LAYER = Descriptor(media_types.OCI_LAYER, digests.of(b"layer"), 5)


def stated(predicate: Any) -> bytes:
    claim = attestation.Claim(attestation.SPDX, lambda describe: {"has": describe("x").document(), "is": predicate})
    return attestation.statement(claim, [attestation.subject("pkg:docker/app@1", IMAGE)], lambda _: LAYER)


def test_a_statement() -> None:
    said = json.loads(stated(1))
    assert said["_type"] == "https://in-toto.io/Statement/v0.1"
    assert said["predicateType"] == "https://spdx.dev/Document"
    assert said["subject"] == [{"name": "pkg:docker/app@1", "digest": {"sha256": IMAGE[7:]}}]
    assert said["predicate"] == {"has": LAYER.document(), "is": 1}


def test_its_manifest() -> None:
    data = stated(1)
    made = attestation.attach(IMAGE, [(attestation.SPDX, data)])
    (entry,) = made.entries
    assert entry.annotations == {
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": IMAGE,
    }  # fmt: skip
    assert str(entry.platform) == "unknown/unknown"
    parsed = manifest.parse(made.blobs[entry.digest])
    assert isinstance(parsed, manifest.Manifest)
    (layer,) = parsed.layers
    assert (layer.media_type, made.blobs[layer.digest]) == ("application/vnd.in-toto+json", data)
    assert layer.annotations == {"in-toto.io/predicate-type": attestation.SPDX}
    config = json.loads(made.blobs[parsed.config.digest])
    assert (config["architecture"], config["rootfs"]["diff_ids"]) == ("unknown", [layer.digest])
    assert all(digests.of(blob) == digest for digest, blob in made.blobs.items())


def test_which_entries_are_about_which_images() -> None:
    image = Descriptor(media_types.OCI_MANIFEST, IMAGE, 5)
    ((about,), (strange,)) = (attestation.attach(each, []).entries for each in (IMAGE, OTHER))
    index = manifest.Index(media_types.OCI_INDEX, (image, about, strange), {})
    assert attestation.entries_for(index, [IMAGE]) == [about]
    assert [attestation.is_attestation(each) for each in index.manifests] == [False, True, True]


def test_the_same_of_other_manifests_and_layers() -> None:
    new = Descriptor(media_types.OCI_MANIFEST, OTHER, 7)
    gzipped = Descriptor(media_types.OCI_LAYER_GZIP, digests.of(b"gzip"), 4)
    said = json.loads(attestation.moved(stated([[LAYER.document()]]), {IMAGE: new, LAYER.digest: gzipped}))
    assert said["subject"][0]["digest"] == {"sha256": OTHER[7:]}
    assert said["predicate"] == {"has": gzipped.document(), "is": [[gzipped.document()]]}


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"subject": [1]}', b"no json"])
def test_what_is_no_statement(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        attestation.moved(data, {})
