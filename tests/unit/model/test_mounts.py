from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.model.mounts import VolumeSpec, parse_mount, parse_tmpfs, parse_volume, split_fields


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("/data", VolumeSpec(None, "/data")),
        ("/data:ro", VolumeSpec(None, "/data", ("ro",))),
        ("vol:/data", VolumeSpec("vol", "/data")),
        ("vol:/data:nocopy,ro", VolumeSpec("vol", "/data", ("nocopy", "ro"))),
        ("/srv:/data/", VolumeSpec("/srv", "/data")),
        ("/srv:/data:rshared", VolumeSpec("/srv", "/data", ("rshared",))),
    ],
)
def test_volumes(text: str, spec: VolumeSpec) -> None:
    assert parse_volume(text) == spec


def test_what_a_volume_means() -> None:
    spec = parse_volume("/srv:/data:ro,rslave")
    assert (spec.is_bind, spec.read_only, spec.propagation, spec.copy_up) == (True, True, "rslave", True)
    named = parse_volume("vol:/data:nocopy")
    assert (named.is_bind, named.read_only, named.propagation, named.copy_up) == (False, False, "", False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid volume specification"),
        (":/data", "invalid volume specification"),
        ("a:/b:c:d", "invalid volume specification"),
        ("vol:/data:rw,ro", "invalid mode: rw,ro"),
        ("vol:/data:what", "invalid mode: what"),
        ("vol:data", "must be absolute"),
        ("vol:/", "can't be '/'"),
        ("/srv:", "must be absolute"),
    ],
)
def test_malformed_volumes(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_volume(text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/x", {"Type": "volume", "Target": "/x"}),
        (
            "type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave",
            {
                "Type": "bind",
                "Source": "/a",
                "Target": "/b",
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rslave"},
            },
        ),
        (
            "type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate,bind-create-src=true",
            {
                "Type": "bind",
                "Source": "/a",
                "Target": "/b",
                "ReadOnly": True,
                "BindOptions": {
                    "ReadOnlyForceRecursive": True,
                    "Propagation": "rprivate",
                    "CreateMountpoint": True,
                },
            },
        ),
        (
            "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770",
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1770}},
        ),
        (
            '"type=volume","src=v",dst=/v,volume-nocopy,volume-label=a=b,"volume-opt=o=x,y"',
            {
                "Type": "volume",
                "Source": "v",
                "Target": "/v",
                "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": {"Options": {"o": "x,y"}}},
            },
        ),
    ],
)
def test_mounts(text: str, mount: dict[str, Any]) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=bind", "target is required"),
        ("", "EOF"),
        ("target", "must be a key=value pair"),
        ("target=/x,colour=red", "unexpected key 'colour'"),
        ("type=tmpfs,target=/x,bind-propagation=shared", "cannot mix 'bind-\\*' options"),
        ("target=/x,ro=perhaps", "invalid value for ro"),
        ("type=tmpfs,target=/x,tmpfs-size=big", "invalid value for tmpfs-size"),
        ("type=tmpfs,target=/x,tmpfs-mode=9", "invalid value for tmpfs-mode"),
        ("type=bind,src=/a,dst=/b,bind-recursive=readonly", "'bind-recursive=readonly' requires 'readonly' to be"),
        ("type=bind,src=/a,dst=/b,bind-recursive=writable", "'bind-recursive=writable' requires 'readonly' to be"),
        ("type=bind,src=/a,dst=/b,ro,bind-recursive=readonly", "requires 'bind-propagation=rprivate' to be"),
        ('target="/x', "stands within a field"),
        ('"target=/x', "quote is not closed"),
    ],
)
def test_malformed_mounts(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_mount(text)


def test_tmpfs() -> None:
    assert parse_tmpfs("/run:size=64m,noexec") == ("/run", "size=64m,noexec")
    assert parse_tmpfs("/run") == ("/run", "")


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5))
def test_quoted_fields_come_back(fields: list[str]) -> None:
    text = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert split_fields(text) == fields


@given(st.text(max_size=30))
def test_any_volume_is_read_or_refused(text: str) -> None:
    try:
        assert parse_volume(text).target.startswith("/")
    except InvalidArgument:
        pass


def test_the_option_idmap() -> None:
    assert parse_volume("/srv:/data:idmap=uids=0-1-1;gids=@0-1-1,ro").mode == ("idmap=uids=0-1-1;gids=@0-1-1", "ro")
    assert parse_volume("vol:/data:idmap").mode == ("idmap",)
    assert parse_mount("type=bind,src=/srv,dst=/data,idmap")["IdMap"] == "idmap"
    assert parse_mount("type=volume,dst=/data,idmap=uids=0-1-1")["IdMap"] == "idmap=uids=0-1-1"
    for text in ("/srv:/data:idmap,idmap", "/srv:/data:idmapped", "/srv:/data:idmap=x"):
        with pytest.raises(InvalidArgument):
            parse_volume(text)
