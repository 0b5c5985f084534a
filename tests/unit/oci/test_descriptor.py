"""Descriptors: read strictly, written without empty members."""

import pytest

from carrack.errors import InvalidArgument
from carrack.oci.descriptor import Descriptor, from_document
from carrack.oci.platform import normal

DIGEST = "sha256:" + "1" * 64


def test_round_trip() -> None:
    made = Descriptor("a/b", DIGEST, 9, {"k": "v"}, ("https://x",), normal("linux", "amd64"), "c/d")
    assert from_document(made.document(), "thing") == made
    assert Descriptor("a/b", DIGEST, 9).document() == {"mediaType": "a/b", "digest": DIGEST, "size": 9}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"digest": DIGEST},
        {"digest": DIGEST, "size": True},
        {"digest": DIGEST, "size": 1 << 63},
        {"digest": DIGEST, "size": 1, "platform": "linux"},
        {"digest": DIGEST, "size": 1, "annotations": {"a": 1}},
        {"digest": DIGEST, "size": 1, "Size": 2},
        {"digest": DIGEST, "size": 1, "mediaType": "a/b\n"},
    ],
)
def test_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match="thing"):
        from_document(value, "thing")
