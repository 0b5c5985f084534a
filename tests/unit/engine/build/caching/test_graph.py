"""Nodes and their digests."""

from carrack.engine.build.caching.graph import CONTENTS, contents, digest_of, image, rooted


def test_digests_are_buildkits() -> None:
    nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of(b"") == nothing
    assert rooted(nothing) == digest_of(f"{nothing}@0".encode())
    assert contents(nothing).digest == rooted(nothing, CONTENTS) == digest_of(f"{nothing}@-1".encode())


def test_images_are_known_by_their_layers() -> None:
    assert image("sha256:a").digest == image("sha256:a").digest != image("sha256:b").digest
