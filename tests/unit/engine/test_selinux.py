"""Labels of containers: the words of ``--security-opt label``, levels, and who shares a label."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.engine import selinux
from carrack.errors import InvalidArgument
from carrack.linux.selinux import Contexts
from carrack.model.container import Document

POLICY = Contexts("system_u:system_r:container_t:s0", "system_u:object_r:container_file_t:s0", "x")
OWN = "s0:c3,c4"


def host(**values: object) -> Document:
    return {"SecurityOpt": None, "Privileged": False, "PidMode": "", "IpcMode": "private", **values}


@pytest.mark.parametrize(
    ("words", "process", "mount"),
    [
        ([], f"system_u:system_r:container_t:{OWN}", f"system_u:object_r:container_file_t:{OWN}"),
        (["nested"], f"system_u:system_r:container_t:{OWN}", f"system_u:object_r:container_file_t:{OWN}"),
        (["disable"], "", "system_u:object_r:container_file_t:s0:c1022,c1023"),
        (["type:spc_t", "disable"], "", "system_u:object_r:container_file_t:s0:c1022,c1023"),
        (["type:spc_t"], f"system_u:system_r:spc_t:{OWN}", f"system_u:object_r:container_file_t:{OWN}"),
        (["filetype:usr_t"], f"system_u:system_r:container_t:{OWN}", f"system_u:object_r:usr_t:{OWN}"),
        (
            ["user:u", "role:r", "level:s0:c1,c2"],
            "u:r:container_t:s0:c1,c2",
            "u:object_r:container_file_t:s0:c1,c2",
        ),
    ],
)
def test_the_words_of_label(words: list[str], process: str, mount: str) -> None:
    assert selinux.choose(words, POLICY, OWN) == (process, mount)


def test_a_policy_without_levels_has_none_for_containers() -> None:
    plain = Contexts("u:r:container_t", "u:object_r:file_t", "")
    assert selinux.choose([], plain, OWN) == ("u:r:container_t", "u:object_r:file_t")
    assert selinux.shared("u:object_r:file_t") == "u:object_r:file_t"


@pytest.mark.parametrize("word", ["", "type", "colour:red"])
def test_unknown_words_are_refused(word: str) -> None:
    with pytest.raises(InvalidArgument, match="bad label option"):
        selinux.choose([word], POLICY, OWN)


def test_which_options_are_of_labels() -> None:
    given = ["label=type:x", "seccomp=unconfined", "label:level:s0:c1", "disable", "no-new-privileges"]
    assert selinux.options(host(SecurityOpt=given)) == ["type:x", "level:s0:c1", "disable"]
    assert selinux.options(host()) == []


def test_who_gets_no_label_or_anothers() -> None:
    def label(identity: str) -> str:
        return {"a": "u:r:t:s0:c1,c2", "b": "u:r:t:s0:c3,c4", "plain": ""}[identity]

    none, copied = ["label=disable"], ["label=user:u", "label=role:r", "label=type:t", "label=level:s0:c1,c2"]
    for free in ({"Privileged": True}, {"PidMode": "host"}, {"IpcMode": "host"}):
        assert selinux.inherited(host(**free), label) == none
        assert selinux.inherited(host(**free, SecurityOpt=["label=type:t"]), label) == []
        assert selinux.inherited(host(**free, SecurityOpt=["label:disable"]), label) == none
    assert selinux.inherited(host(PidMode="container:a"), label) == copied
    assert selinux.inherited(host(IpcMode="container:a", PidMode="container:a"), label) == copied
    assert selinux.inherited(host(PidMode="container:plain"), label) == []
    assert selinux.inherited(host(), label) == []
    with pytest.raises(InvalidArgument, match="the same"):
        selinux.inherited(host(IpcMode="container:a", PidMode="container:b"), label)


def test_levels_are_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([5, 5, 9, 2, 1022, 1023, 7, 8])
    monkeypatch.setattr("secrets.randbelow", lambda limit: next(drawn))
    assert selinux.own_level({"s0:c2,c9"}) == "s0:c7,c8"


@given(st.sets(st.integers(0, 3)))
def test_a_level_is_two_categories_in_order(taken: set[int]) -> None:
    had = {f"s0:c{number},c9" for number in taken}
    level = selinux.own_level(had)
    one, other = (int(word[1:]) for word in level.removeprefix("s0:").split(","))
    assert 0 <= one < other < 1024
    assert level not in had
    assert selinux.level_of(f"u:r:t:{level}") == level
    assert selinux.shared(f"u:r:t:{level}") == "u:r:t:s0"
    assert selinux.type_of(f"u:r:t:{level}") == "t"
