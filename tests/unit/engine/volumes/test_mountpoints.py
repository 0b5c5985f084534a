"""Mount points: what users ask for, Docker's refusals (texts of dockerd 28.5), and the spec's mounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import FakeEvents, FakeImages, FakeRecords, container, documents, point, run

from carrack.engine.containers.record import Container
from carrack.engine.volumes import mountpoints
from carrack.engine.volumes.specs import spec_mounts
from carrack.engine.volumes.store import VolumeStore
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.model.container import MountPoint

Resolved = tuple[list[MountPoint], list[MountPoint], list[str]]


def resolving(folder: Path, body: dict[str, Any], find: Callable[[str], Container] | None = None) -> Resolved:
    records: Any = FakeRecords()
    events: Any = FakeEvents()
    images: Any = FakeImages()
    found: list[Resolved] = []

    def nobody(name: str) -> Container:
        raise NotFound(f"No such container: {name}")

    async def main() -> None:
        volumes = VolumeStore(folder / "volumes", records, events, lambda name: [])
        config, host, _ = documents(body)
        means = mountpoints.Means(volumes, find or nobody, images.resolve, "c")
        points = await mountpoints.resolve(config, host, means)
        found.append((points, means.fresh, means.made))

    run(main)
    return found[0]


def test_binds(tmp_path: Path) -> None:
    source = str(tmp_path / "new/deep")
    binds = [f"{source}/:/a/../b:ro,rslave", "data:/data", "/anonymous", "other:/other:nocopy"]
    points, fresh, made = resolving(tmp_path, {"HostConfig": {"Binds": binds}})
    bind, named, anonymous, other = points
    assert Path(source).is_dir()
    assert bind == {"Type": "bind", "Source": source, "Destination": "/b", "Mode": "ro,rslave",
                    "RW": False, "Propagation": "rslave"}  # fmt: skip
    assert named["Name"] == "data"
    assert named["Source"] == str(tmp_path / "volumes/data/_data")
    assert made == [anonymous["Name"]]
    assert fresh == [named, anonymous]
    assert other["Mode"] == "nocopy"


def test_a_file_is_bound_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    points, _, _ = resolving(tmp_path, {"HostConfig": {"Binds": [f"{tmp_path}/file:/f"]}})
    assert points[0]["Source"] == str(tmp_path / "file")
    with pytest.raises(InvalidArgument, match="error while creating mount source path"):
        resolving(tmp_path, {"HostConfig": {"Binds": [f"{tmp_path}/file/below:/f"]}})


def test_mounts(tmp_path: Path) -> None:
    wanted = [
        {"Type": "bind", "Source": f"{tmp_path}/", "Target": "/a/", "ReadOnly": True},
        {"Type": "volume", "Target": "/v", "VolumeOptions": {"NoCopy": True, "Labels": {"x": "y"}}},
        {"Type": "volume", "Source": "named", "Target": "/n", "ReadOnly": True},
        {"Type": "tmpfs", "Target": "/t/", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o700}},
        {"Type": "bind", "Source": f"{tmp_path}/made", "Target": "/m", "BindOptions": {"CreateMountpoint": True}},
    ]
    points, fresh, made = resolving(tmp_path, {"HostConfig": {"Mounts": wanted}})
    assert [(p["Type"], p["Destination"], p["RW"]) for p in points] == [
        ("bind", "/a", False), ("volume", "/v", True), ("volume", "/n", False), ("tmpfs", "/t", True),
        ("bind", "/m", True),
    ]  # fmt: skip
    assert [p["Destination"] for p in fresh] == ["/n"]
    assert made == [points[1]["Name"]]
    assert (tmp_path / "made").is_dir()


def test_volumes_of_the_config_yield_to_mounts_and_tmpfs(tmp_path: Path) -> None:
    body = {
        "Volumes": {"/a": {}, "/b/": {}, "/c": {}, "/d": {}},
        "HostConfig": {"Binds": ["data:/a"], "Tmpfs": {"/c/": ""}, "Mounts": [{"Type": "tmpfs", "Target": "/d/"}]},
    }
    points, _, made = resolving(tmp_path, body)
    assert [p["Destination"] for p in points] == ["/a", "/d", "/b"]
    assert len(made) == 1


@pytest.mark.parametrize(("mode", "writable"), [("", True), (":rw", True), (":ro", False), (":ro,z", False)])
def test_volumes_from_another(tmp_path: Path, mode: str, writable: bool) -> None:
    other = container(2, mounts=[point("/data", Mode="z"), point("/t", Type="tmpfs"), point("/ro", RW=False)])
    points, fresh, made = resolving(tmp_path, {"HostConfig": {"VolumesFrom": ["other" + mode]}}, lambda name: other)
    assert [(p["Destination"], p["RW"]) for p in points] == [("/data", writable), ("/t", writable), ("/ro", False)]
    assert points[0]["Mode"] == ""
    assert (fresh, made) == ([], [])
    mounts = spec_mounts(container(1, mounts=points))
    assert [m["type"] for m in mounts] == ["bind", "tmpfs", "bind"]
    assert ("ro" in mounts[1]["options"]) is not writable


def mount(**fields: Any) -> dict[str, Any]:
    return {"HostConfig": {"Mounts": [fields]}}


def binds(*texts: str) -> dict[str, Any]:
    return {"HostConfig": {"Binds": list(texts)}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (mount(Type="tmpfs", Target="//"), 'invalid mount config for type "tmpfs"'),
        (binds("/tmp:/a", "/tmp:/a/"), "Duplicate mount point: /a"),
        (binds("/tmp:/"), "invalid volume specification: '/tmp:/'"),
        (binds("/tmp:/a/.."), "invalid specification: destination can't be '/'"),
        (binds("/tmp:rel"), "invalid volume specification: '/tmp:rel'"),
        (binds("rel/x:/a"), 'create rel/x: "rel/x" includes invalid characters for a local volume name'),
        (binds("x:/a:foo"), "invalid mode: foo"),
        (binds("x"), "invalid volume specification: 'x'"),
        (binds("/tmp:/a:nocopy"), "invalid volume specification: '/tmp:/a:nocopy'"),
        (binds("vv:/a:shared"), "invalid volume specification: 'vv:/a:shared'"),
        (
            {"HostConfig": {"Binds": ["/tmp:/a"], "Mounts": [{"Type": "bind", "Source": "/tmp", "Target": "/a"}]}},
            "Duplicate mount point: /a",
        ),
        ({"HostConfig": {"Binds": ["/tmp:/a"], "Tmpfs": {"/a/": ""}}}, "Duplicate mount point: /a"),
        ({"HostConfig": {"Tmpfs": {"rel": ""}}}, "invalid mount path: 'rel' mount path must be absolute"),
        ({"HostConfig": {"Tmpfs": {"/": ""}}}, "invalid specification: destination can't be '/'"),
        ({"Volumes": {"rel": {}}}, "invalid mount path: 'rel' mount path must be absolute"),
        (
            mount(Type="bind", Source="/nonexist/x", Target="/a"),
            'invalid mount config for type "bind": bind source path does not exist: /nonexist/x',
        ),
        (
            mount(Type="bind", Source="rel", Target="/a"),
            "invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute",
        ),
        (mount(Type="bind", Target="/a"), 'invalid mount config for type "bind": field Source must not be empty'),
        (mount(Type="bind", Source="/tmp"), 'invalid mount config for type "bind": field Target must not be empty'),
        (mount(Type="foo", Target="/a"), 'invalid mount config for type "foo": mount type unknown'),
        (mount(Target="/a"), 'invalid mount config for type "": mount type unknown'),
        (
            mount(Type="volume", Target="/a", BindOptions={"Propagation": "shared"}),
            'BindOptions must not be specified on mount type "volume"',
        ),
        (
            mount(Type="bind", Source="/tmp", Target="/a", VolumeOptions={}),
            'VolumeOptions must not be specified on mount type "bind"',
        ),
        (
            mount(Type="bind", Source="/tmp", Target="/a", BindOptions={"Propagation": "foo"}),
            'invalid mount config for type "bind": invalid propagation mode: foo',
        ),
        (
            mount(Type="bind", Source="/tmp", Target="/a", BindOptions={"ReadOnlyForceRecursive": True}),
            "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive",
        ),
        (
            mount(Type="tmpfs", Target="/a", Source="x"),
            'invalid mount config for type "tmpfs": field Source must not be specified',
        ),
        (
            mount(Type="tmpfs", Target="/a", TmpfsOptions={"Options": [["foo"]]}),
            'invalid mount config for type "tmpfs": invalid option: foo',
        ),
        (
            mount(Type="tmpfs", Target="/a", TmpfsOptions={"Options": [["uid", "1"]]}),
            'invalid mount config for type "tmpfs": invalid option: uid',
        ),
        (
            mount(Type="tmpfs", Target="/a", TmpfsOptions={"Options": [["a", "1"]]}),
            'invalid mount config for type "tmpfs": invalid option: a',
        ),
        (
            mount(Type="tmpfs", Target="/a", TmpfsOptions={"SizeBytes": -1}),
            'invalid mount config for type "tmpfs": size must not be negative',
        ),
        (
            mount(Type="volume", Target="/a", ReadOnly=True),
            'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
        ),
        (mount(Type="npipe", Target="/a", Source="x"), 'invalid mount config for type "npipe": mount type unknown'),
        (mount(Type="cluster", Target="/a", Source="x"), 'invalid mount config for type "cluster": mount type unknown'),
        (mount(Type="image", Target="/a", Source="nosuch"), "No such image: nosuch"),
        (
            {"HostConfig": {"Binds": ["v1:/a"], "VolumeDriver": "nosuch"}},
            "create v1: error looking up volume plugin nosuch",
        ),
        ({"HostConfig": {"VolumesFrom": [""]}}, "volumes-from specification cannot be an empty string"),
        ({"HostConfig": {"VolumesFrom": ["x:foo"]}}, "invalid mode: foo"),
        ({"HostConfig": {"VolumesFrom": ["x:ro,rw"]}}, "invalid mode: ro,rw"),
        ({"HostConfig": {"VolumesFrom": ["nope"]}}, "No such container: nope"),
    ],
)
def test_refusals(tmp_path: Path, body: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        resolving(tmp_path, body)
    assert str(failure.value).startswith(text)


def test_images(tmp_path: Path) -> None:
    point = resolving(tmp_path, mount(Type="image", Target="/a", Source="busybox", ImageOptions={"Subpath": "etc"}))[0][
        0
    ]
    assert (point["Type"], point["Name"], point["RW"], point["Subpath"]) == ("image", "busybox", False, "etc")
    assert point["Image"].startswith("sha256:")
    assert point["Layers"]


def test_a_part_of_a_volume(tmp_path: Path) -> None:
    wanted = mount(Type="volume", Target="/a", Source="data", VolumeOptions={"Subpath": "a/../b"})
    assert resolving(tmp_path, wanted)[0][0]["Subpath"] == "a/../b"


TEXT = st.text(alphabet="/a.:,ro", max_size=10)
FIELDS = st.fixed_dictionaries({"Type": st.sampled_from(["volume", "tmpfs"]), "Target": TEXT})


@given(st.lists(TEXT.map(lambda text: "data:" + text), max_size=2), st.lists(FIELDS, max_size=2), TEXT)
def test_every_target_is_absolute_clean_and_once(
    tmp_path_factory: pytest.TempPathFactory, binds: list[str], mounts: list[dict[str, Any]], volume: str
) -> None:
    body = {"Volumes": {volume: {}}, "HostConfig": {"Binds": binds, "Mounts": mounts}}
    try:
        points, _, _ = resolving(tmp_path_factory.getbasetemp() / "targets", body)
    except CarrackError:
        return
    targets = [p["Destination"] for p in points]
    assert len(set(targets)) == len(targets)
    for target in targets:
        assert target.startswith("/")
        assert target != "/"
        assert ".." not in target.split("/")
        assert not target.endswith("/")
        assert "//" not in target


def test_labels_are_asked_for_by_who_names_a_place_and_by_nobody_who_shares_it(tmp_path: Path) -> None:
    points, *_ = resolving(tmp_path, {"HostConfig": {"Binds": [f"{tmp_path}:/m:ro,Z", "data:/n"]}})
    assert [point["Mode"] for point in points] == ["ro,Z", "z"]
    other = container(2)
    other.mounts = points
    shared, *_ = resolving(tmp_path, {"HostConfig": {"VolumesFrom": ["other"]}}, lambda name: other)
    assert [point["Mode"] for point in shared] == ["ro", ""]


def test_idmapped_binds_and_volumes(tmp_path: Path) -> None:
    body = {
        "HostConfig": {
            "Binds": [f"{tmp_path}:/a:idmap,ro", "data:/b:idmap"],
            "Mounts": [
                {"Type": "bind", "Source": str(tmp_path), "Target": "/c", "IdMap": "idmap=uids=0-1-1"},
                {"Type": "volume", "Source": "other", "Target": "/d", "IdMap": "idmap"},
            ],
        }
    }
    points, fresh, _ = resolving(tmp_path, body)
    assert [found["Mode"] for found in points] == ["idmap,ro", "idmap", "idmap=uids=0-1-1", "idmap"]
    assert [found["Destination"] for found in fresh] == ["/b", "/d"]
    for kind, told in (("tmpfs", "IdMap is for binds and volumes only"), ("bind", "invalid idmap option 'idmap=x'")):
        wrong = {"Type": kind, "Source": "/" if kind == "bind" else "", "Target": "/x", "IdMap": "idmap=x"}
        with pytest.raises(InvalidArgument, match=told):
            resolving(tmp_path, {"HostConfig": {"Mounts": [wrong]}})
