"""Lists, inspect and history documents, and the filters of lists."""

import asyncio
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.engine.images.delete import Use
from carrack.errors import InvalidArgument, NotFound

BASE, TOP = tar({"etc/hosts": b"x"}), tar({"bin/app": b"y"})
OLD = config_for([BASE], created="2019-01-01T00:00:00.5Z")
NEW = config_for([BASE, TOP], created="2021-01-01T00:00:00Z", config={"Labels": {"k": "v"}, "Env": []})
BARE = config_for([TOP], created=None, history=None, config=None)


@pytest.fixture
def loaded(world: World) -> World:
    archive = docker_archive(
        [(OLD, [BASE], ["app:old"]), (NEW, [BASE, TOP], ["app:new", "r.io/x/y:1"]), (BARE, [TOP], [])]
    )
    asyncio.run(world.loader.load(stream(archive)))
    return world


def ids(world: World, **filters: list[str]) -> list[str]:
    return [row["Id"] for row in asyncio.run(world.lister.summaries(filters))]


def test_rows(loaded: World) -> None:
    rows = asyncio.run(loaded.lister.summaries(shared=True))
    assert [row["Id"] for row in rows] == [sha(NEW), sha(OLD), sha(BARE)]
    assert rows[0] == {
        "Containers": 0,
        "Created": 1609459200,
        "Id": sha(NEW),
        "Labels": {"k": "v"},
        "ParentId": "",
        "RepoDigests": [],
        "RepoTags": ["app:new", "r.io/x/y:1"],
        "SharedSize": len(BASE) + len(TOP),
        "Size": len(BASE) + len(TOP),
    }
    assert (rows[2]["Created"], rows[2]["RepoTags"], rows[2]["Labels"]) == (0, [], None)


def test_rows_of_older_versions(loaded: World) -> None:
    bare = asyncio.run(loaded.lister.summaries(version=(1, 41)))[2]
    assert (bare["RepoTags"], bare["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert bare["VirtualSize"] == bare["Size"]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"dangling": ["true"]}, [BARE]),
        ({"dangling": ["0"]}, [NEW, OLD]),
        ({"label": ["k"]}, [NEW]),
        ({"label": ["k=w"]}, []),
        ({"reference": ["app"]}, [NEW, OLD]),
        ({"reference": ["app:o*"]}, [OLD]),
        ({"reference": ["r.io/*/y"]}, [NEW]),
        ({"reference": ["r.io/*"]}, []),
        ({"before": ["app:new"]}, [OLD, BARE]),
        ({"since": [sha(OLD)]}, [NEW]),
        ({"until": ["2020-01-01"]}, [OLD, BARE]),
        ({"until": ["10m"]}, [NEW, OLD, BARE]),
        ({"until": ["1h30m"], "reference": ["app:old"]}, [OLD]),
        ({"until": []}, [NEW, OLD, BARE]),
    ],
)
def test_filters(loaded: World, filters: dict[str, list[str]], wanted: list[bytes]) -> None:
    assert ids(loaded, **filters) == [sha(config) for config in wanted]


def test_bad_filters(loaded: World) -> None:
    with pytest.raises(InvalidArgument, match="invalid filter 'nope'"):
        ids(loaded, nope=["1"])
    with pytest.raises(InvalidArgument, match="invalid filter 'dangling="):
        ids(loaded, dangling=["x"])
    with pytest.raises(InvalidArgument, match="more than one until"):
        ids(loaded, until=["1m", "2m"])
    with pytest.raises(NotFound):
        ids(loaded, before=["gone"])


def test_inspect(loaded: World) -> None:
    shown = asyncio.run(loaded.lister.inspect("app:new"))
    assert shown["RootFS"] == {"Type": "layers", "Layers": [sha(BASE), sha(TOP)]}
    assert {key: value for key, value in shown["Config"].items() if value} == {"Labels": {"k": "v"}}
    assert list(shown["Config"]) == sorted({*"Cmd Entrypoint Env Labels OnBuild User Volumes WorkingDir".split()})
    assert shown["GraphDriver"] == {"Data": {}, "Name": "fake"}
    assert (shown["Created"], shown["Os"], shown["Architecture"]) == ("2021-01-01T00:00:00Z", "linux", "amd64")
    assert "VirtualSize" not in shown
    assert "Created" not in asyncio.run(loaded.lister.inspect(sha(BARE)))


def test_inspect_of_older_versions(loaded: World) -> None:
    shown = asyncio.run(loaded.lister.inspect(sha(BARE), (1, 41)))
    assert shown["Created"] == "0001-01-01T00:00:00Z"
    assert shown["VirtualSize"] == shown["Size"]
    assert shown["ContainerConfig"]["Cmd"] is None
    assert shown["Config"]["Hostname"] == ""


def test_history(loaded: World) -> None:
    rows: list[dict[str, Any]] = asyncio.run(loaded.lister.history("app:new"))
    assert [(row["Id"], row["CreatedBy"], row["Size"]) for row in rows] == [
        (sha(NEW), "layer 1", len(TOP)),
        ("<missing>", "layer 0", len(BASE)),
    ]
    assert rows[0]["Tags"] == ["app:new", "r.io/x/y:1"]
    bare = asyncio.run(loaded.lister.history(sha(BARE)))
    assert [(row["Created"], row["Size"]) for row in bare] == [(0, len(TOP))]


def test_usage(loaded: World) -> None:
    loaded.uses = [Use("c", sha(OLD), False)]
    rows = {row["Id"]: row for row in asyncio.run(loaded.lister.usage())}
    assert rows[sha(OLD)]["Containers"] == 1
    assert rows[sha(NEW)]["Containers"] == 0
    assert asyncio.run(loaded.lister.layers_size()) == len(BASE) + len(TOP)
