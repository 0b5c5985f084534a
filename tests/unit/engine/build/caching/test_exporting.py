"""What a cache looks like where it goes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.fakes.caches import Machine

from carrack.engine.build.caching import config
from carrack.engine.build.caching.wanted import CacheAt
from carrack.oci import media_types

TEXT = "FROM base AS one\nRUN make\nFROM base\nRUN echo\nCOPY --from=one /make /m\n"
OCI = "application/vnd.oci.image"


def _manifest(machine: Machine, **attributes: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest of a cache, and its config."""
    asyncio.run(machine.build(TEXT, give=CacheAt("local", {"dest": "folder", **attributes})))
    manifest = json.loads(machine.store.blobs[machine.store.manifest])
    listed = [manifest.get("config"), *manifest.get("manifests", ())]
    (pointer,) = [each for each in listed if each and each["mediaType"] == config.CONFIG]
    return manifest, json.loads(machine.store.blobs[pointer["digest"]])


def test_a_manifest_of_steps(machines: tuple[Machine, Machine]) -> None:
    here, _ = machines
    manifest, document = _manifest(here, mode="max")
    assert manifest["mediaType"] == media_types.OCI_MANIFEST
    assert all(each["digest"] in here.store.blobs for each in manifest["layers"])
    assert {each["mediaType"] for each in manifest["layers"]} == {media_types.OCI_LAYER_GZIP}
    notes = [each["annotations"] for each in manifest["layers"]]
    assert all(note["containerd.io/uncompressed"].startswith("sha256:") for note in notes)
    assert any("buildkit/createdat" in note for note in notes)
    assert [each["blob"] for each in document["layers"]] == [each["digest"] for each in manifest["layers"]]


def test_the_least_is_what_the_result_lies_on(machines: tuple[Machine, Machine]) -> None:
    here, there = machines
    most, _ = _manifest(here, mode="max")
    least, document = _manifest(there)
    assert len(least["layers"]) < len(most["layers"])
    known = {each["digest"] for each in document["records"]}
    assert {each["link"] for each in document["records"] for links in each.get("inputs", ()) for each in links}
    assert len(known) > len(least["layers"])


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"image-manifest": "false"}, media_types.OCI_INDEX),
        ({"oci-mediatypes": "false"}, media_types.DOCKER_INDEX),
    ],
)
def test_indexes_for_readers_of_old(machines: tuple[Machine, Machine], attributes: dict[str, str], kind: str) -> None:
    manifest, _ = _manifest(machines[0], **attributes)
    assert manifest["mediaType"] == kind
    layers = {each["mediaType"] for each in manifest["manifests"]} - {config.CONFIG}
    assert all(each.startswith(OCI) is (kind == media_types.OCI_INDEX) for each in layers)


def test_what_is_there_already_is_not_sent_again(machines: tuple[Machine, Machine]) -> None:
    here, _ = machines
    _manifest(here)
    before = dict(here.store.blobs)
    sent: list[str] = []
    write = here.store.write

    async def counted(descriptor: Any, chunks: Any) -> None:
        sent.append(descriptor.media_type)
        await write(descriptor, chunks)

    here.store.write = counted  # type: ignore[method-assign]
    _manifest(here)
    assert here.store.blobs == before
    assert sent == [config.CONFIG, media_types.OCI_MANIFEST]


def test_of_scratch_nothing_but_a_cache_without_layers(machines: tuple[Machine, Machine]) -> None:
    here, _ = machines
    asyncio.run(here.build("FROM scratch\nLABEL a=b\n", give=CacheAt("local", {"dest": "folder"})))
    assert json.loads(here.store.blobs[here.store.manifest])["layers"] == []
