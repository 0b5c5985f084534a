"""The choice of a manifest for a platform."""

import pytest

from carrack.oci import media_types as types
from carrack.oci import platform as platforms
from carrack.oci.descriptor import Descriptor
from carrack.oci.selection import candidates


def entry(platform: str, *, media_type: str = types.OCI_MANIFEST, **annotations: str) -> Descriptor:
    found = platforms.parse(platform) if platform else None
    return Descriptor(media_type, "sha256:" + "0" * 64, 1, annotations, platform=found)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], ["linux/amd64"]),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], ["linux/amd64"]),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v3"], ["linux/amd64/v3", "linux/amd64"]),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v8", "linux/arm/v6"], ["linux/arm/v6", "linux/arm/v5"]),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], ["linux/arm64", "linux/arm/v7"]),
        ("linux/arm64", ["linux/arm64/v9"], ["linux/arm64/v9"]),
        ("linux/s390x", ["linux/amd64", "windows/s390x"], []),
        ("linux/amd64", ["", "linux/amd64"], ["linux/amd64", "None"]),
    ],
)
def test_the_nearest_comes_first(wanted: str, offered: list[str], chosen: list[str]) -> None:
    found = candidates([entry(text) for text in offered], platforms.parse(wanted))
    assert [str(descriptor.platform) for descriptor in found] == chosen


def test_what_is_no_image_is_passed_over() -> None:
    attestation = entry("", **{"vnd.docker.reference.type": "attestation-manifest"})
    other = entry("linux/amd64", media_type="application/vnd.example+json")
    assert candidates([attestation, other], platforms.parse("linux/amd64")) == []
    nested = entry("linux/amd64", media_type=types.OCI_INDEX)
    assert candidates([nested], platforms.parse("linux/amd64")) == [nested]
