from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import container

from carrack.engine import userns
from carrack.engine.userns import NOBODY, WHOLE, Ids, Remap, exchanged, mount_maps
from carrack.errors import InvalidArgument
from carrack.model.idmap import LIMIT, parse_idmap
from carrack.oci.runtime_spec import IdMapping

EXTENTS: tuple[IdMapping, ...] = (
    {"containerID": 0, "hostID": 100000, "size": 1000},
    {"containerID": 1000, "hostID": 500, "size": 1},
)
REMAP = Remap("me", EXTENTS, EXTENTS[:1])
IDS = st.integers(0, LIMIT - 1)


def test_ids_go_in_and_out() -> None:
    ids = Ids(REMAP.uids, REMAP.gids)
    assert REMAP.root == ids.outside(0, 0) == (100000, 100000)
    assert ids.outside(1000, 999) == (500, 100999)
    assert ids.inside(500, 500) == (1000, NOBODY)
    assert ids.inside(0, 0) == (NOBODY, NOBODY)
    with pytest.raises(ValueError, match="id 1000 is not mapped"):
        ids.outside(0, 1000)


def test_the_kernels_own_words_are_read() -> None:
    assert userns.read("         0     100000       1000\n      1000        500          1\n") == EXTENTS


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ({"Privileged": True}, "privileged mode is incompatible with user namespaces.  You must run"),
        ({"NetworkMode": "host"}, "cannot share the host's network namespace when user namespaces are enabled"),
        ({"PidMode": "host"}, "cannot share the host PID namespace when user namespaces are enabled"),
    ],
)
def test_what_does_not_go_together_is_refused_in_dockers_words(host: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        userns.check(container(1, {"HostConfig": host}).host_config)


def test_a_mount_without_ranges_has_the_containers_map_or_turns_the_owner_into_its_user() -> None:
    plain = parse_idmap("idmap")
    assert mount_maps(plain, REMAP, (7, 7), (0, 0)) == (REMAP.uids, REMAP.gids)
    uids, gids = mount_maps(plain, None, (1234, 100), (0, 100))
    assert gids == WHOLE
    assert uids == [
        {"containerID": 1, "hostID": 1, "size": 1233},
        {"containerID": 1235, "hostID": 1235, "size": LIMIT - 1235},
        {"containerID": 1234, "hostID": 0, "size": 1},
    ]


def test_ranges_are_the_hosts_or_with_an_at_the_containers() -> None:
    uids, gids = mount_maps(parse_idmap("idmap=uids=5-@0-10#50-9-1"), REMAP, (0, 0), (0, 0))
    assert uids == [
        {"containerID": 5, "hostID": 100000, "size": 10},
        {"containerID": 50, "hostID": 9, "size": 1},
    ]
    assert gids == REMAP.gids
    assert mount_maps(parse_idmap("idmap=uids=5-@0-10"), None, (0, 0), (0, 0))[1] == WHOLE
    with pytest.raises(InvalidArgument, match="not in a row on the host"):
        mount_maps(parse_idmap("idmap=uids=0-@999-2"), REMAP, (0, 0), (0, 0))
    with pytest.raises(InvalidArgument, match="id 1001 is not mapped"):
        mount_maps(parse_idmap("idmap=uids=0-@1000-2"), REMAP, (0, 0), (0, 0))


@given(IDS, IDS, IDS)
def test_an_owner_is_the_user_and_nobody_else_changes_hands(owner: int, user: int, other: int) -> None:
    extents = exchanged(owner, user)
    assert userns.outside(extents, owner) == user
    assert sum(extent["size"] for extent in extents) == LIMIT - (owner != user)
    if other not in (owner, user):
        assert userns.outside(extents, other) == userns.inside(extents, other) == other
    if owner != user:
        assert userns.inside(extents, owner) == NOBODY
        with pytest.raises(ValueError, match="not mapped"):
            userns.outside(extents, user)
