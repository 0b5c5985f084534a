import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.shim import protocol


def test_a_plan_moves_to_another_message_with_its_descriptors() -> None:
    plan = {"spec": {"x": 1}, "rootfs_fd": 2, "source_fds": {"3": 0}, "stdio": [4, None, -1], "gate": True}
    packed, fds = protocol.pack(plan, [10, 11, 12, 13, 14])
    assert fds == [12, 10, 14]
    assert packed == {"spec": {"x": 1}, "rootfs_fd": 0, "source_fds": {"3": 1}, "stdio": [2, None, -1], "gate": True}
    assert protocol.unpack(packed, [20, 21, 22])["source_fds"] == {"3": 21}
    assert plan["rootfs_fd"] == 2


@pytest.mark.parametrize("index", [5, "0", 1.5])
def test_a_descriptor_that_did_not_come_is_refused(index: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        protocol.pack({"source_fds": {"0": index}}, [7, 8])


@given(st.dictionaries(st.text(max_size=8), st.integers(0, 9), max_size=5))
def test_packing_and_unpacking_keep_what_a_plan_means(sources: dict[str, int]) -> None:
    fds = list(range(100, 110))
    packed, moved = protocol.pack({"source_fds": sources}, fds)
    assert protocol.unpack(packed, moved)["source_fds"] == {key: fds[index] for key, index in sources.items()}


def test_exit_codes_are_the_shells() -> None:
    for command, code in (("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143), ("true", 0)):
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", command], {})
        assert protocol.exit_code(os.waitpid(pid, 0)[1]) == code
