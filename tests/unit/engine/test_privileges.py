"""Capabilities and security options, with Docker's words for what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.engine import defaults
from carrack.engine.privileges import Security, capabilities, security
from carrack.errors import InvalidArgument, NotSupported
from carrack.linux.caps import CAPABILITIES


def host(**changes: Any) -> dict[str, Any]:
    return {"Privileged": False, "CapAdd": None, "CapDrop": None, "SecurityOpt": None, **changes}


def test_defaults_in_the_order_of_numbers() -> None:
    found = capabilities(host(), 40)
    assert set(found) == set(defaults.CAPABILITIES)
    assert found == sorted(found, key=CAPABILITIES.__getitem__)


@pytest.mark.parametrize(
    ("add", "drop", "count", "has", "lacks"),
    [
        (["NET_ADMIN"], [], 15, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"),
        (["cap_net_admin"], ["chown"], 14, "CAP_NET_ADMIN", "CAP_CHOWN"),
        ([], ["ALL"], 0, None, "CAP_CHOWN"),
        (["CHOWN"], ["all"], 1, "CAP_CHOWN", "CAP_KILL"),
        (["ALL"], [], 41, "CAP_SYS_ADMIN", None),
        (["ALL"], ["SYS_ADMIN"], 40, "CAP_BPF", "CAP_SYS_ADMIN"),
        (["KILL"], ["KILL"], 14, "CAP_KILL", None),
    ],
)
def test_add_and_drop(add: list[str], drop: list[str], count: int, has: str | None, lacks: str | None) -> None:
    found = capabilities(host(CapAdd=add, CapDrop=drop), 40)
    assert len(found) == count
    assert has is None or has in found
    assert lacks not in found


def test_privileged_has_all_that_this_kernel_knows() -> None:
    assert len(capabilities(host(Privileged=True, CapDrop=["ALL"]), 40)) == 41
    assert "CAP_CHECKPOINT_RESTORE" not in capabilities(host(Privileged=True), 39)


@pytest.mark.parametrize("field", ["CapAdd", "CapDrop"])
@pytest.mark.parametrize("word", ["FOO", "cap_all", "", "CAP_"])
def test_unknown_words_are_named(field: str, word: str) -> None:
    with pytest.raises(InvalidArgument, match=f'^invalid {field}: unknown capability: "CAP_'):
        capabilities(host(**{field: [word]}), 40)


@given(st.lists(st.sampled_from([*CAPABILITIES, "ALL"])), st.lists(st.sampled_from([*CAPABILITIES, "ALL"])))
def test_nothing_is_held_that_nobody_asked_for(add: list[str], drop: list[str]) -> None:
    found = set(capabilities(host(CapAdd=add, CapDrop=drop), 40))
    if "ALL" not in add:
        assert found <= set(add) | set(defaults.CAPABILITIES)
        assert set(add) <= found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, (True, None, False)),
        (["no-new-privileges"], (True, None, True)),
        (["no-new-privileges:true"], (True, None, True)),
        (["no-new-privileges=false"], (True, None, False)),
        (["seccomp=unconfined"], (False, None, False)),
        (["seccomp:unconfined"], (False, None, False)),
        (["seccomp=unconfined", "seccomp=builtin"], (True, None, False)),
        (["apparmor=unconfined", "label=disable", "label:disable", "label=level:s0", "disable"], (True, None, False)),
    ],
)
def test_security_options(options: list[str] | None, expected: tuple[bool, str | None, bool]) -> None:
    assert security(host(SecurityOpt=options))[:3] == expected


def test_a_profile_is_kept_as_text_and_a_privileged_container_is_not_filtered() -> None:
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
    assert security(host(SecurityOpt=["seccomp=" + profile])).profile == profile
    assert not security(host(Privileged=True)).confined


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("foo", 'invalid --security-opt 1: "foo"'),
        ("foo=bar", 'invalid --security-opt 2: "foo=bar"'),
        ("no-new-privileges=maybe", 'invalid --security-opt 2: "no-new-privileges=maybe"'),
        ("systempaths=unconfined", 'invalid --security-opt 2: "systempaths=unconfined"'),
        ("seccomp={", "Decoding seccomp profile failed"),
        ("seccomp=[]", "Decoding seccomp profile failed"),
    ],
)
def test_bad_options_with_dockers_words(option: str, text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        security(host(SecurityOpt=[option]))
    assert str(failure.value).startswith(text)


def test_a_profile_is_refused_rather_than_forgotten() -> None:
    with pytest.raises(NotSupported, match="leave the option out"):
        security(host(SecurityOpt=["apparmor=mine"]))


def test_what_the_daemon_settles_holds_where_the_request_is_silent() -> None:
    usual = Security(confined=True, profile="{}", no_new_privileges=True)
    assert security(host(), usual)[:3] == (True, "{}", True)
    assert security(host(SecurityOpt=["no-new-privileges=false", "seccomp=builtin"]), usual)[:3] == (True, None, False)
    assert not security(host(), usual._replace(confined=False)).confined
    assert security(host(SecurityOpt=["seccomp=builtin"]), usual._replace(confined=False)).confined


@pytest.mark.parametrize(
    ("options", "privileged", "profile"),
    [
        (None, False, "docker-default"),
        (None, True, "unconfined"),
        (["apparmor=unconfined"], False, "unconfined"),
        (["apparmor=mine"], True, "mine"),
        (["apparmor="], False, "docker-default"),
    ],
)
def test_apparmor_profiles_where_the_kernel_has_them(options: list[str] | None, privileged: bool, profile: str) -> None:
    usual = Security(True, None, False, "docker-default")
    assert security(host(SecurityOpt=options, Privileged=privileged), usual).apparmor == profile


def test_who_may_write_to_cgroups() -> None:
    assert not security(host()).writable_cgroups
    assert security(host(SecurityOpt=["writable-cgroups=true"])).writable_cgroups
    assert security(host(Privileged=True)).writable_cgroups
    assert not security(host(Privileged=True, SecurityOpt=["writable-cgroups=false"])).writable_cgroups
    with pytest.raises(InvalidArgument, match='invalid --security-opt 2: "writable-cgroups=x"'):
        security(host(SecurityOpt=["writable-cgroups=x"]))
