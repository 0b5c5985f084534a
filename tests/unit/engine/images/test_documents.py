"""Documents of images, as pure values; the rest is in test_listing."""

from tests.fakes.images import config_for, sha

from carrack.engine.images import documents
from carrack.engine.images.image import Image
from carrack.oci import image_config, reference

A, B = sha(b"a"), sha(b"b")


def image(identity: str, layers: list[bytes], **more: object) -> Image:
    return Image(identity, image_config.parse(config_for(layers, **more)), 10)


def test_inspect_has_every_field_of_the_api() -> None:
    shown = documents.inspect(image("sha256:1", [b"a"], variant="v8", author="me"), "erofs")
    assert set(shown) == {
        "Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "DockerVersion", "Author", "Config",
        "Architecture", "Variant", "Os", "Size", "GraphDriver", "RootFS", "Metadata",
    }  # fmt: skip
    assert (shown["Variant"], shown["Author"]) == ("v8", "me")
    assert shown["Metadata"] == {"LastTagTime": "0001-01-01T00:00:00Z"}


def test_history_follows_parents_and_empty_layers() -> None:
    steps = [
        {"created_by": "base"},
        {"created_by": "env", "empty_layer": True},
        {"created_by": "top", "created": "junk"},
    ]
    base = Image("sha256:base", image_config.parse(config_for([b"a"])), 1, (reference.parse("base:1"),))
    made = Image("sha256:top", image_config.parse(config_for([b"a", b"b"], history=steps)), 1, parent="sha256:base")
    rows = documents.history(made, {A: 5, B: 7}.__getitem__, {"sha256:base": base}.get)
    assert [(row["Id"], row["CreatedBy"], row["Size"], row["Tags"]) for row in rows] == [
        ("sha256:top", "top", 7, None),
        ("sha256:base", "env", 0, ["base:1"]),
        ("<missing>", "base", 5, None),
    ]
    assert rows[0]["Created"] == 0


def test_shared_sizes() -> None:
    one, two, three = image("1", [b"a"]), image("2", [b"a", b"b"]), image("3", [b"c", b"c"])
    assert documents.shared_sizes([one, two, three], lambda diff_id: 10) == {"1": 10, "2": 10, "3": 0}
