from __future__ import annotations

import os

import pytest
from tests.fakes.containers import point

from carrack.engine.containers.file_ids import SAME, is_idmapped, of_mount, of_process
from carrack.engine.userns import NOBODY, Remap
from carrack.errors import InvalidArgument
from carrack.oci.runtime_spec import IdMapping

EXTENTS: tuple[IdMapping, ...] = ({"containerID": 0, "hostID": 100000, "size": 65536},)
REMAP = Remap("me", EXTENTS, EXTENTS)
PLAIN = point("/data")


def test_a_process_of_our_own_namespace_needs_no_translation() -> None:
    assert of_process(os.getpid()) is SAME
    assert SAME.inside(3, 4) == SAME.outside(3, 4) == (3, 4)
    with pytest.raises(FileNotFoundError):
        of_process(2**30)


def test_a_source_on_the_host_is_seen_with_the_containers_map() -> None:
    assert of_mount(PLAIN, None, (0, 0), (0, 0)) is SAME
    ids = of_mount(PLAIN, REMAP, (0, 0), (0, 0))
    assert ids.inside(100005, 0) == (5, NOBODY)
    assert ids.outside(5, 0) == (100005, 100000)
    with pytest.raises(InvalidArgument, match="Container ID 70000 cannot be mapped to a host ID"):
        ids.outside(0, 70000)


def test_an_idmapped_source_is_seen_through_both() -> None:
    mapped = point("/data", Mode="ro,idmap")
    assert is_idmapped(mapped)
    assert not is_idmapped(PLAIN)
    ids = of_mount(mapped, REMAP, (0, 0), (0, 0))
    assert ids.inside(5, 0) == ids.outside(5, 0) == (5, 0)
    ids = of_mount(mapped, None, (1234, 1234), (7, 8))
    assert ids.inside(1234, 1234) == (7, 8)
    assert ids.outside(7, 8) == (1234, 1234)
    ids = of_mount(point("/data", Mode="idmap=uids=50-@0-10;gids=60-@0-10"), REMAP, (0, 0), (0, 0))
    assert ids.inside(52, 63) == (2, 3)
    assert ids.outside(2, 3) == (52, 63)
    assert ids.inside(2, 3) == (NOBODY, NOBODY)
