"""Media types: every layer type says how its bytes are wrapped."""

from carrack.oci import media_types


def test_compressions_agree_with_the_names() -> None:
    for media_type, compression in media_types.LAYER_COMPRESSION.items():
        assert media_type.endswith(compression or "tar")
    for compression, media_type in media_types.OCI_LAYER_BY_COMPRESSION.items():
        assert media_types.LAYER_COMPRESSION[media_type] == compression
    assert not media_types.INDEXES & media_types.MANIFESTS
