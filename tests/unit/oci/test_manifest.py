"""Manifests and indexes: one document, one meaning (CVE-2021-41190), within limits."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.oci import document, media_types
from carrack.oci.manifest import Index, Manifest, parse, parse_index

DIGEST = "sha256:" + "0" * 64


def pointer(media_type: str = media_types.OCI_LAYER_GZIP, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 3, **more}


def image(**more: Any) -> dict[str, Any]:
    base = {"schemaVersion": 2, "config": pointer(media_types.OCI_CONFIG), "layers": [pointer()]}
    return base | more


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def test_manifest_round_trip() -> None:
    parsed = parse(encode(image(mediaType=media_types.OCI_MANIFEST, annotations={"a": "b"})))
    assert isinstance(parsed, Manifest)
    assert parsed.layers[0].size == 3
    assert parse(document.encode(parsed.document())) == parsed


def test_index_round_trip() -> None:
    platform = {"os": "linux", "architecture": "arm64"}
    value = {"schemaVersion": 2, "manifests": [pointer(media_types.OCI_MANIFEST, platform=platform)]}
    parsed = parse_index(encode(value))
    assert isinstance(parsed, Index)
    assert str(parsed.manifests[0].platform) == "linux/arm64"
    assert parse(document.encode(parsed.document())) == parsed


@pytest.mark.parametrize(
    ("value", "promised", "reason"),
    [
        (image(manifests=[]), "", "both an index and a manifest"),
        ({"schemaVersion": 2, "manifests": [], "config": None}, "", "both an index and a manifest"),
        ({"schemaVersion": 2}, "", "neither an index nor a manifest"),
        (image(mediaType=media_types.OCI_INDEX), "", "does not fit its media type"),
        ({"schemaVersion": 2, "manifests": []}, media_types.OCI_MANIFEST, "does not fit its media type"),
        (image(mediaType=media_types.OCI_MANIFEST), media_types.DOCKER_MANIFEST, "differs from the promised"),
        (image(mediaType="text/html"), "", "is not supported"),
        (image(Manifests=[]), "", "can be mistaken"),
        (image(schemaVersion=1), "", "schemaVersion must be 2"),
        (image(schemaVersion=True), "", "schemaVersion must be 2"),
        (image(fsLayers=[]), "", "schema 1"),
        (image(layers={}), "", "layers must be a list"),
        (image(layers=[pointer()] * 513), "", "more than the limit of 512"),
        (image(layers=[pointer(size=-1)]), "", "size must be a whole number"),
        (image(layers=[pointer(size=1.5)]), "", "size must be a whole number"),
        (image(layers=[pointer(digest="sha256:../x")]), "", "invalid checksum digest length"),
        (image(layers=[pointer("no type")]), "", "not a media type"),
        (image(config=None), "", "expected an object, found null"),
    ],
)
def test_refused(value: dict[str, Any], promised: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        parse(encode(value), promised)


def test_size_limit() -> None:
    with pytest.raises(InvalidArgument, match="more than the limit"):
        parse(b" " * (4 << 20) + b"{}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([DIGEST, media_types.OCI_LAYER, "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["digest", "size", "mediaType"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["config", "layers", "manifests", "mediaType", "annotations"]), JSON))
def test_any_document_gives_a_value_or_a_refusal(value: dict[str, Any]) -> None:
    try:
        parsed = parse(encode(value | {"schemaVersion": 2}))
    except InvalidArgument:
        return
    assert isinstance(parsed, Manifest) != ("manifests" in value)
