"""Images that are here: list, inspect, history, tag, save, load, import, commit, remove."""

from __future__ import annotations

import io
import tarfile
from urllib.parse import quote

from tests.api.steps import ALL, Scenario, Step

_DATA, _RUN = "golden%2Fdata:1", "golden%2Frun:1"
_TAR = {"Content-Type": "application/x-tar"}


def _filter(text: str) -> str:
    return quote(text, safe="")


def steps() -> Scenario:
    """Everything that needs no registry."""
    return [*_shown(), *_named(), *_made(), *_refused()]


def _shown() -> list[Step]:
    only = "filters=" + _filter('{"reference":["golden/data"]}')
    return [
        Step("list", "GET", "/images/json", versions=ALL),
        Step("list of all", "GET", "/images/json?all=1"),
        Step("list with shared sizes", "GET", f"/images/json?shared-size=1&{only}", versions=ALL),
        Step("list with manifests", "GET", f"/images/json?manifests=1&{only}", versions=("1.46", "1.47", "1.51")),
        Step("list with digests", "GET", f"/images/json?digests=1&{only}"),
        *(Step(f"list by {name}", "GET", "/images/json?filters=" + _filter(text)) for name, text in _FILTERS.items()),
        Step("inspect", "GET", f"/images/{_DATA}/json", versions=ALL),
        Step("inspect run", "GET", f"/images/{_RUN}/json", versions=("1.41", "1.51")),
        Step("inspect with an open slash", "GET", "/images/golden/data:1/json"),
        Step("inspect with manifests", "GET", f"/images/{_DATA}/json?manifests=1", versions=("1.47", "1.48", "1.51")),
        Step(
            "inspect of a platform",
            "GET",
            f"/images/{_DATA}/json?platform=" + _filter('{"os":"linux","architecture":"amd64"}'),
        ),
        Step(
            "inspect of another platform",
            "GET",
            f"/images/{_DATA}/json?platform=" + _filter('{"os":"linux","architecture":"arm64"}'),
        ),
        Step("inspect of a bad platform", "GET", f"/images/{_DATA}/json?platform=cake"),
        Step("history", "GET", f"/images/{_DATA}/history", versions=ALL),
        Step(
            "history of a platform",
            "GET",
            f"/images/{_DATA}/history?platform=" + _filter('{"os":"linux","architecture":"arm64"}'),
        ),
        Step("df", "GET", "/system/df?type=image", versions=ALL),
        Step("save", "GET", f"/images/{_DATA}/get"),
        Step("save of two", "GET", f"/images/get?names={_DATA}&names={_DATA}"),
        Step("save of none", "GET", "/images/get"),
    ]


_FILTERS = {
    "reference": '{"reference":["golden/data:*"]}',
    "no reference": '{"reference":["cake"]}',
    "bad reference": '{"reference":["[cake"]}',
    "dangling": '{"dangling":["true"]}',
    "bad dangling": '{"dangling":["cake"]}',
    "label": '{"label":["from=image"]}',
    "before": '{"before":["golden/data:1"]}',
    "since": '{"since":["golden/run:1"]}',
    "before nothing": '{"before":["cake"]}',
    "until": '{"until":["2020-01-01T00:00:00Z"]}',
    "until nonsense": '{"until":["cake"]}',
    "no filter": '{"cake":["a"]}',
    "nonsense": "cake",
}


def _named() -> list[Step]:
    return [
        Step("tag", "POST", f"/images/{_DATA}/tag?repo=other&tag=2"),
        Step("tag without a tag", "POST", f"/images/{_DATA}/tag?repo=example.org:5000/other"),
        Step(
            "list with names", "GET", "/images/json?filters=" + _filter('{"reference":["other","example.org:5000/*"]}')
        ),
        Step("inspect with names", "GET", "/images/other:2/json", versions=("1.41", "1.51")),
        Step("tag badly", "POST", f"/images/{_DATA}/tag?repo=Cake"),
        Step("tag with a bad tag", "POST", f"/images/{_DATA}/tag?repo=cake&tag=-"),
        Step("tag with a digest", "POST", f"/images/{_DATA}/tag?repo=cake@sha256:" + "0" * 64),
        Step("tag nothing", "POST", f"/images/{_DATA}/tag"),
        Step("tag like a digest", "POST", f"/images/{_DATA}/tag?repo=sha256"),
        Step("untag", "DELETE", "/images/other:2"),
        Step("untag the other", "DELETE", "/images/example.org:5000/other", versions=("1.51",)),
        Step("events", "GET", "/events?since={now}&until={clock}", versions=("1.41", "1.51")),
    ]


def _made() -> list[Step]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size, info.mtime = 4, 1_700_000_000
        archive.addfile(info, io.BytesIO(b"text"))
    root = buffer.getvalue()
    make = {"Image": "golden/run:1", "Cmd": ["true"], "Labels": {"own": "1"}, "ExposedPorts": {"80/tcp": {}}}
    config = {"Env": ["A=1"], "Labels": {"c": "d"}, "Cmd": ["run"]}
    return [
        Step(
            "import",
            "POST",
            "/images/create?fromSrc=-&repo=imported&tag=1&message=hello&changes=ENV%20A%3D1",
            body=root,
            headers=_TAR,
            save={"imported": "status"},
        ),
        Step("inspect imported", "GET", "/images/imported:1/json", versions=("1.41", "1.44", "1.51")),
        Step("history of imported", "GET", "/images/imported:1/history"),
        Step("import badly", "POST", "/images/create?fromSrc=-&changes=CAKE", body=root, headers=_TAR),
        Step(
            "import without a name",
            "POST",
            "/images/create?fromSrc=-",
            body=root,
            headers=_TAR,
            save={"nameless": "status"},
        ),
        Step("inspect nameless", "GET", "/images/{nameless}/json", versions=("1.41", "1.43", "1.44", "1.51")),
        Step(
            "list dangling",
            "GET",
            "/images/json?filters=" + _filter('{"dangling":["true"]}'),
            versions=("1.41", "1.42", "1.43", "1.51"),
        ),
        Step("make", "POST", "/containers/create?name=base", json=make, hidden=True, save={"base": "Id"}),
        Step(
            "commit",
            "POST",
            "/commit?container=base&repo=made&tag=1&comment=why&author=me",
            json=config,
            save={"made": "Id"},
        ),
        Step("inspect committed", "GET", "/images/made:1/json", versions=ALL),
        Step("history of committed", "GET", "/images/made:1/history"),
        Step("commit without a body", "POST", "/commit?container=base"),
        Step(
            "commit with changes", "POST", "/commit?container=base&repo=changed&changes=" + quote("EXPOSE 81\nUSER me")
        ),
        Step("inspect changed", "GET", "/images/changed/json"),
        Step("commit badly", "POST", "/commit?container=base&changes=CAKE%201"),
        Step("commit to a bad name", "POST", "/commit?container=base&repo=Cake"),
        Step("commit of nothing", "POST", "/commit"),
        Step("commit of an absent one", "POST", "/commit?container=cake"),
        Step("remove what is used", "DELETE", f"/images/{_RUN}"),
        Step("remove committed", "DELETE", "/images/made:1"),
        Step("remove nameless", "DELETE", "/images/{nameless}"),
        Step("prune", "POST", "/images/prune"),
        Step("prune with a filter", "POST", "/images/prune?filters=" + _filter('{"cake":["1"]}')),
        Step("load of no archive", "POST", "/images/load", body=b"cake" * 1000, headers=_TAR),
        Step("load of nothing", "POST", "/images/load", body=b"", headers=_TAR),
        Step("load of another archive", "POST", "/images/load", body=root, headers=_TAR),
    ]


def _refused() -> list[Step]:
    return [
        Step("absent: inspect", "GET", "/images/cake/json"),
        Step("absent: history", "GET", "/images/cake/history"),
        Step("absent: tag", "POST", "/images/cake/tag?repo=a"),
        Step("absent: remove", "DELETE", "/images/cake"),
        Step("absent: remove by id", "DELETE", "/images/sha256:" + "0" * 64),
        Step("absent: save", "GET", "/images/cake/get"),
        Step("absent: push", "POST", "/images/cake/push"),
        Step("bad name", "GET", "/images/Cake/json"),
        Step("bad name: remove", "DELETE", "/images/Cake"),
        Step("bad tag", "GET", "/images/cake:-/json"),
        Step("bad digest", "GET", "/images/cake@sha256:1/json"),
        Step("pull a bad name", "POST", "/images/create?fromImage=Cake"),
        Step("pull of nothing", "POST", "/images/create"),
        Step("pull of a bad tag", "POST", "/images/create?fromImage=cake&tag=-"),
        Step("push of a bad name", "POST", "/images/Cake/push"),
    ]
