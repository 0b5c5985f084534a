from __future__ import annotations

from carrack.cli.container_flags import CREATE_FLAGS, RUN_FLAGS
from carrack.cli.flags import ALIASES, KINDS, Flag


def test_the_tables_are_whole() -> None:
    for table in (CREATE_FLAGS, RUN_FLAGS):
        names = [flag[0] for flag in table]
        shorts = [flag[1] for flag in table if flag[1]]
        assert len(set(names)) == len(names)
        assert len(set(shorts)) == len(shorts)
        assert all(flag[2] in KINDS for flag in table)
        assert all(flag[3] or flag[0] in ALIASES for flag in table), "only second names are hidden"


def test_run_has_what_create_has_and_three_more() -> None:
    extra: set[Flag] = set(RUN_FLAGS) - set(CREATE_FLAGS)
    assert {flag[0] for flag in extra} == {"detach", "detach-keys", "sig-proxy"}
