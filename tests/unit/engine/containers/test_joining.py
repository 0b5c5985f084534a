from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import pytest
from tests.fakes.containers import container

from carrack.engine.containers import joining
from carrack.engine.userns import WHOLE, Remap
from carrack.errors import Conflict


def test_a_namespace_comes_with_its_users() -> None:
    c, other = container(1), container(2)
    other.state.pid = os.getpid()
    maps: Any = joining.maps_of(os.getpid())
    with ExitStack() as held:
        join: dict[str, int] = {"network": joining.open_namespace(other, "net", held)}
        joining.share_users(c, other, Remap("me", *maps), join, held)
        assert os.path.samestat(os.fstat(join["user"]), os.stat("/proc/self/ns/user"))
        joining.share_users(c, other, None, join, held)  # the ipc of the same container, say
        join["user"] = join["network"]
        with pytest.raises(Conflict, match="two containers that are in different user namespaces"):
            joining.share_users(c, other, None, join, held)


def test_another_map_is_not_joined() -> None:
    c, other = container(1), container(2)
    other.state.pid = os.getpid()
    foreign = Remap("me", ({"containerID": 0, "hostID": 7, "size": 1},), WHOLE)
    with ExitStack() as held, pytest.raises(Conflict, match=f"{other.name} is not in a user namespace with"):
        joining.share_users(c, other, foreign, {}, held)
