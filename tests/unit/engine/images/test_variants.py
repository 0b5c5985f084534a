"""Images for several platforms: shown, listed as one, saved and loaded with their index, removed by platform."""

import asyncio
import json
from typing import Any

import pytest
from tests.fakes.images import HOST, World, config_for, multi_platform, sha, stream, tar

from carrack.engine.images.delete import Use
from carrack.errors import Conflict, NotFound
from carrack.oci.platform import Platform

LAYERS = {name: tar({name: name.encode() * 9}) for name in ("amd64", "arm64")}
CONFIGS = {name: config_for([layer], architecture=name) for name, layer in LAYERS.items()}
IDS = {name: sha(config) for name, config in CONFIGS.items()}
ARCHIVE = multi_platform(
    {name: (CONFIGS[name], [LAYERS[name]]) for name in ("arm64", "amd64")}, "docker.io/library/app:1", attested="amd64",
    said={"arm64": {"platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}}},
)  # fmt: skip
ARM, S390X = Platform("linux", "arm64"), Platform("linux", "s390x")


@pytest.fixture
def loaded(world: World) -> World:
    asyncio.run(world.loader.load(stream(ARCHIVE)))
    return world


def rows(world: World, **options: Any) -> list[dict[str, Any]]:
    return asyncio.run(world.lister.summaries(**options))


def remove(world: World, text: str, **options: Any) -> list[dict[str, str]]:
    return asyncio.run(world.remover.remove(text, **options))


def here(world: World) -> dict[str, list[str]]:
    return {image.config["architecture"]: list(image.tags) for image in world.store}


def test_one_row_that_tells_of_all(loaded: World) -> None:
    assert here(loaded) == {"amd64": ["app:1"], "arm64": []}
    (row,) = rows(loaded, manifests=True)
    assert row["Id"] == IDS["amd64"]
    assert row["Descriptor"]["mediaType"].endswith("image.index.v1+json")
    assert loaded.content.read(row["Descriptor"]["digest"], 10_000).count(b'"platform"') == 3
    arm, amd, attestation = row["Manifests"]
    assert [each["Kind"] for each in row["Manifests"]] == ["image", "image", "attestation"]
    assert [each["Available"] for each in row["Manifests"]] == [True, True, True]
    assert arm["ImageData"] == {
        "Platform": {"architecture": "arm64", "os": "linux", "variant": "v8"},
        "Containers": [],
        "Size": {"Unpacked": len(LAYERS["arm64"])},
    }
    assert arm["Size"]["Total"] == arm["Size"]["Content"] + len(LAYERS["arm64"])
    assert arm["Size"]["Content"] > arm["Descriptor"]["size"] + len(CONFIGS["arm64"])
    assert attestation["AttestationData"] == {"For": amd["ID"]}
    assert [each["Id"] for each in rows(loaded, every=True)] == sorted(IDS.values())


def test_what_is_not_asked_for_or_not_known_to_the_client(loaded: World) -> None:
    assert "Manifests" not in rows(loaded)[0]
    assert "Descriptor" not in rows(loaded, version=(1, 47))[0]
    assert "Manifests" in rows(loaded, version=(1, 47), manifests=True)[0]
    assert "Manifests" not in rows(loaded, version=(1, 46), manifests=True)[0]
    asked = loaded.lister.inspect("app:1", manifests=True)
    assert len(asyncio.run(asked)["Manifests"]) == 3
    assert "Descriptor" not in asyncio.run(loaded.lister.inspect("app:1", (1, 47), manifests=True))


def test_an_image_without_a_manifest_tells_nothing(loaded: World) -> None:
    asyncio.run(loaded.store.add(config_for([LAYERS["amd64"]], author="me")))
    (bare,) = rows(loaded, filters={"dangling": ["true"]}, manifests=True)
    assert not {"Descriptor", "Manifests"} & bare.keys()
    assert loaded.variants.described(asyncio.run(loaded.store.resolve(bare["Id"]))) is None


def test_by_platform(loaded: World) -> None:
    assert asyncio.run(loaded.lister.inspect("app:1", platform=ARM))["Id"] == IDS["arm64"]
    assert asyncio.run(loaded.lister.history("app:1", ARM))[0]["Id"] == IDS["arm64"]
    with pytest.raises(NotFound, match=r"its platform \(linux/amd64\) does not match the specified platform"):
        asyncio.run(loaded.lister.inspect("app:1", platform=S390X))
    own = loaded.variants.described(asyncio.run(loaded.store.resolve("app:1", ARM)))
    assert own is not None
    assert own["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}, "as the index has it"


def test_containers_are_told_of(loaded: World) -> None:
    loaded.uses = [Use("c" * 64, IDS["arm64"], True)]
    arm = rows(loaded, manifests=True)[0]["Manifests"][0]
    assert arm["ImageData"]["Containers"] == ["c" * 64]


def test_a_sibling_of_a_name_is_not_dangling(loaded: World) -> None:
    assert rows(loaded, filters={"dangling": ["true"]}) == []
    assert asyncio.run(loaded.remover.prune({}))[0] == []
    loaded.uses = [Use("c" * 64, IDS["arm64"], False)]
    assert asyncio.run(loaded.remover.prune({"dangling": ["false"]}))[0] == []
    loaded.uses = []
    asyncio.run(loaded.remover.prune({"dangling": ["false"]}))
    assert here(loaded) == {}


def test_removing_the_last_name_removes_all(loaded: World) -> None:
    answers = remove(loaded, "app:1")
    assert answers[:2] == [{"Untagged": "app:1"}, {"Deleted": IDS["amd64"]}]
    assert {"Deleted": IDS["arm64"]} in answers
    assert list(loaded.content.digests()) == []


def test_a_sibling_in_use_stays(loaded: World) -> None:
    loaded.uses, loaded.held = [Use("c" * 64, IDS["arm64"], True)], [sha(LAYERS["arm64"])]
    remove(loaded, "app:1")
    assert here(loaded) == {"arm64": []}


def test_removing_one_platform_leaves_the_name_with_the_other(loaded: World) -> None:
    with pytest.raises(NotFound):
        remove(loaded, "app:1", platforms=[HOST, S390X])
    assert remove(loaded, "app:1", platforms=[HOST])[0] == {"Deleted": IDS["amd64"]}
    assert here(loaded) == {"arm64": ["app:1"]}
    assert [each["Available"] for each in rows(loaded, manifests=True)[0]["Manifests"]] == [True, False, False]
    assert {"Untagged": "app:1"} in remove(loaded, "app:1", platforms=[ARM])
    assert here(loaded) == {}


def test_removing_all_platforms_removes_the_name(loaded: World) -> None:
    assert {"Untagged": "app:1"} in remove(loaded, "app:1", platforms=[HOST, ARM])
    assert here(loaded) == {}


def test_a_platform_in_use_is_refused(loaded: World) -> None:
    loaded.uses = [Use("c" * 64, IDS["amd64"], True)]
    with pytest.raises(Conflict, match="running container"):
        remove(loaded, "app:1", platforms=[HOST], force=True)
    assert here(loaded) == {"amd64": ["app:1"], "arm64": []}


async def saved(world: World, wanted: Platform | None = None) -> bytes:
    return b"".join([chunk async for chunk in world.saver.save(["app:1"], wanted)])


def test_saved_and_loaded_with_the_index(loaded: World) -> None:
    descriptor = rows(loaded)[0]["Descriptor"]
    whole, one = asyncio.run(saved(loaded)), asyncio.run(saved(loaded, ARM))
    with pytest.raises(NotFound, match="no suitable export target"):
        asyncio.run(saved(loaded, S390X))
    remove(loaded, "app:1")
    asyncio.run(loaded.loader.load(stream(whole)))
    assert here(loaded) == {"amd64": ["app:1"], "arm64": []}
    assert rows(loaded)[0]["Descriptor"] == descriptor
    remove(loaded, "app:1")
    asyncio.run(loaded.loader.load(stream(one)))
    assert here(loaded) == {"arm64": ["app:1"]}
    assert rows(loaded)[0]["Descriptor"]["mediaType"].endswith("image.manifest.v1+json")


def test_damaged_documents_are_as_if_they_were_not_there(loaded: World) -> None:
    for digest in (rows(loaded)[0]["Descriptor"]["digest"],):
        path = loaded.content.path(digest)
        path.chmod(0o600)
        path.write_bytes(b"{}")
    loaded.variants._parsed.clear()
    (row,) = rows(loaded, manifests=True)
    assert row["Descriptor"]["mediaType"].endswith("image.manifest.v1+json")
    assert len(row["Manifests"]) == 1
    assert json.dumps(row)
