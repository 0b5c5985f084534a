"""Nodes and their digests."""

from carrack.engine.build.caching.graph import CONTENTS, Node, contents, digest_of, image, links, rooted
from carrack.oci.platform import Platform

PIN = "ab4151f26d8f404f37bc86f80be6ee4d3b84b002082c46bad0c3a0de825629cf"
KNOWN = "sha256:c34364193f2c018dcde0a8d64ebd095c07fce0326e0a52cfeb23713dd79401b3"


def test_digests_are_buildkits() -> None:
    nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of(b"") == nothing
    assert rooted(nothing) == digest_of(f"{nothing}@0".encode())
    assert contents(nothing).digest == rooted(nothing, CONTENTS) == digest_of(f"{nothing}@-1".encode())


def test_images_are_known_by_their_layers() -> None:
    assert image("sha256:a").digest == image("sha256:a").digest != image("sha256:b").digest


def test_images_are_known_by_their_manifests_too() -> None:
    """The second digest is dockerd's, in what it exports of an image that it had just pulled."""
    node = image(digest_of(b"layers"), f"sha256:{PIN}", Platform("linux", "amd64"))
    assert node.digest == image(digest_of(b"layers")).digest
    assert [other.digest for other in node.others] == [KNOWN]
    variant = image(digest_of(b"layers"), f"sha256:{PIN}", Platform("linux", "arm", "v7"))
    assert variant.others[0].digest != KNOWN
    assert image("sha256:a", "", Platform("linux", "amd64")).others == ()


def test_each_name_of_a_thing_is_a_link() -> None:
    node = Node("a", others=(Node("b"),))
    assert [(link.node.digest, link.selector) for link in links(node, "s")] == [("a", "s"), ("b", "s")]
