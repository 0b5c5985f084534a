"""Docker's refusals of mounts, word for word (dockerd 28.5)."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine.volumes.checks import check_mount, target_of, tmpfs_options
from carrack.errors import InvalidArgument
from carrack.model import schema
from carrack.model.container import MOUNT


def mount(**fields: Any) -> dict[str, Any]:
    return schema.check({"Target": "/a", **fields}, MOUNT, "Mount")


@pytest.mark.parametrize(
    "fields",
    [
        {"Type": "bind", "Source": "/srv", "ReadOnly": True, "BindOptions": {"ReadOnlyForceRecursive": True}},
        {"Type": "bind", "Source": "/srv", "BindOptions": {"NonRecursive": True, "Propagation": "rslave"}},
        {"Type": "volume", "Source": "v", "ReadOnly": True, "VolumeOptions": {"Subpath": "a/../b"}},
        {"Type": "volume", "Source": "v", "VolumeOptions": {"Subpath": "."}},
        {"Type": "image", "Source": "busybox", "ImageOptions": {"Subpath": "etc/passwd"}},
        {"Type": "tmpfs", "Consistency": "cached"},
    ],
)
def test_what_can_be(fields: dict[str, Any]) -> None:
    check_mount(mount(**fields))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"Type": "bind", "Source": "/s", "BindOptions": {"ReadOnlyNonRecursive": True}},
            "mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive",
        ),
        (
            {
                "Type": "bind",
                "Source": "/s",
                "ReadOnly": True,
                "BindOptions": {"ReadOnlyNonRecursive": True, "ReadOnlyForceRecursive": True},
            },
            "mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive",
        ),
        (
            {"Type": "image", "Source": "x", "VolumeOptions": {}},
            'VolumeOptions must not be specified on mount type "image"',
        ),
        (
            {"Type": "volume", "Source": "x", "ImageOptions": {}},
            'invalid mount config for type "volume": field ImageOptions must not be specified',
        ),
        ({"Type": "image"}, 'invalid mount config for type "image": field Source must not be empty'),
        (
            {"Type": "volume", "VolumeOptions": {"Subpath": "x"}},
            'invalid mount config for type "volume": must not set Subpath when using anonymous volumes',
        ),
        ({"Type": "cluster", "Source": "x"}, 'invalid mount config for type "cluster": mount type unknown'),
        ({"Type": "tmpfs", "Consistency": "x"}, 'invalid mount config for type "tmpfs": invalid consistency: x'),
    ],
)
def test_what_cannot_be(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        check_mount(mount(**fields))
    assert str(failure.value) == text


@pytest.mark.parametrize("subpath", ["/x", "..", "../x", "a/../../x"])
@pytest.mark.parametrize(("kind", "options"), [("volume", "VolumeOptions"), ("image", "ImageOptions")])
def test_parts_lie_within(subpath: str, kind: str, options: str) -> None:
    with pytest.raises(InvalidArgument, match="subpath must be a relative path within the volume"):
        check_mount(mount(Type=kind, Source="x", **{options: {"Subpath": subpath}}))


def test_targets() -> None:
    assert target_of("//a/./b/../c/") == "/a/c"
    for wrong in ("", "a", "/", "/a/.."):
        with pytest.raises(InvalidArgument):
            target_of(wrong)


def test_options_of_tmpfs() -> None:
    wanted = {"SizeBytes": 4096, "Mode": 0o700, "Options": [["exec"]]}
    assert tmpfs_options(mount(Type="tmpfs", ReadOnly=True, TmpfsOptions=wanted)) == [
        "size=4096",
        "mode=700",
        "exec",
        "ro",
    ]
    for wrong in ([], ["a", "b", "c"]):
        with pytest.raises(InvalidArgument, match="invalid option array length"):
            tmpfs_options(mount(Type="tmpfs", TmpfsOptions={"Options": [wrong]}))
    with pytest.raises(InvalidArgument, match="invalid option: uid"):
        tmpfs_options(mount(Type="tmpfs", TmpfsOptions={"Options": [["uid", "1"]]}))
