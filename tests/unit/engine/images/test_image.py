"""One image as a value."""

import hashlib
import json

from tests.fakes.images import config_for, sha

from carrack.engine.images.image import Image, chain_ids
from carrack.oci import image_config, reference

A, B = sha(b"a"), sha(b"b")


def image(**more: object) -> Image:
    config = image_config.parse(config_for([b"a", b"b"], **more))
    names = (reference.parse("app:1"), reference.parse(f"app@{A}"))
    return Image(A, config, 7, names, parent=B)


def test_what_it_shows() -> None:
    made = image()
    assert made.diff_ids == (A, B)
    assert (made.tags, made.repo_digests) == (("app:1",), (f"app@{A}",))
    assert made.labels == {"made": "test"}
    assert made.created == 1_580_702_706 * 10**9


def test_a_time_that_is_none_is_unknown() -> None:
    for text in ("", "yesterday", "9999999999999-01-01T00:00:00Z", None):
        assert image(created=text).created == 0


def test_record() -> None:
    record = {"parent": B, "manifest": "", "index": "", "extras": [], "last_tagged": 0, "layers": [A, B]}
    assert json.loads(image().record()) == record


def test_chain_ids() -> None:
    assert chain_ids([]) == []
    assert chain_ids([A, B]) == [A, "sha256:" + hashlib.sha256(f"{A} {B}".encode()).hexdigest()]
