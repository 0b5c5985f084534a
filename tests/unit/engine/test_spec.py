"""From record to runtime spec: golden cases, and what holds for every request."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.containers import FACTS, container

from carrack.engine import defaults, spec
from carrack.engine.userns import Remap
from carrack.engine.volumes.specs import spec_mounts
from carrack.linux.selinux import Contexts
from carrack.runtime import stage

GOLDEN = Path(__file__).parents[2] / "golden" / "spec"


def built(request: dict[str, Any]) -> dict[str, Any]:
    """A case's request: the create request's body under ``body``, the host's facts and the resolved mount points."""
    c = container(1, request["body"], mounts=request.get("points", []))
    facts = spec.HostFacts(**{**FACTS._asdict(), **request.get("facts", {})})
    document: dict[str, Any] = json.loads(json.dumps(spec.build(c, facts, spec_mounts(c), "/carrack/" + c.id)))
    if c.host_config["Privileged"]:
        assert document["linux"].pop("devices")  # all of this host's
    return document


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.iterdir()))
def test_golden(case: str, request: pytest.FixtureRequest) -> None:
    document = built(json.loads((GOLDEN / case / "request.json").read_text()))
    expected = GOLDEN / case / "spec.json"
    if request.config.getoption("--update-golden"):
        expected.write_text(json.dumps(document, indent=1) + "\n")
    assert document == json.loads(expected.read_text())


def namespaces(**host: Any) -> list[str]:
    return [n["type"] for n in spec.build(container(1, {"HostConfig": host}), FACTS, [], "/x")["linux"]["namespaces"]]


@pytest.mark.parametrize(
    ("host", "gone"),
    [
        ({}, set()),
        ({"NetworkMode": "host"}, {"network"}),
        ({"NetworkMode": "none"}, set()),
        ({"NetworkMode": "container:" + "2" * 64}, {"network"}),
        ({"PidMode": "host"}, {"pid"}),
        ({"PidMode": "container:" + "2" * 64}, {"pid"}),
        ({"IpcMode": "host"}, {"ipc"}),
        ({"IpcMode": "shareable"}, set()),
        ({"UTSMode": "host"}, {"uts"}),
    ],
)
def test_namespaces_are_new_unless_shared(host: dict[str, str], gone: set[str]) -> None:
    assert set(namespaces(**host)) == {"mount", "network", "pid", "ipc", "uts"} - gone


def test_the_cgroup_namespace_is_private_on_v2() -> None:
    second = FACTS._replace(cgroup_version=2)
    for host, facts, expected in (
        ({"CgroupnsMode": "", "Privileged": False}, second, "private"),
        ({"CgroupnsMode": "", "Privileged": True}, second, "private"),
        ({"CgroupnsMode": "", "Privileged": False}, FACTS, "host"),
        ({"CgroupnsMode": "private", "Privileged": True}, FACTS, "private"),
    ):
        assert spec.cgroup_namespace(host, facts) == expected


@pytest.mark.parametrize(
    ("ipc", "kind"), [("", "tmpfs"), ("private", "tmpfs"), ("shareable", "tmpfs"), ("host", "bind"), ("none", None)]
)
def test_shared_memory_has_a_place_unless_it_is_not_wanted(ipc: str, kind: str | None) -> None:
    mounts = spec.build(container(1, {"HostConfig": {"IpcMode": ipc}}), FACTS, [], "/x")["mounts"]
    assert [m["type"] for m in mounts if m["destination"] == "/dev/shm"] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("env", "tty", "expected"),
    [
        ([], False, ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=h"]),
        (["PATH=/bin", "A=1", "A=2"], True, ["PATH=/bin", "HOSTNAME=h", "TERM=xterm", "A=2"]),
        (["PATH=/bin", "TERM=dumb", "HOSTNAME"], True, ["PATH=/bin", "TERM=dumb"]),
        (["PATH=/bin", "A=b=c"], False, ["PATH=/bin", "HOSTNAME=h", "A=b=c"]),
    ],
)
def test_environment(env: list[str], tty: bool, expected: list[str]) -> None:
    assert spec.environment({"Hostname": "h", "Tty": tty, "Env": env}) == expected


def test_parents_are_mounted_before_children_and_users_mounts_replace_ours() -> None:
    def bind(target: str) -> Any:
        return {"destination": target, "type": "bind", "source": "/srv", "options": ["rbind", "rprivate"]}

    given = [bind("/a/b/c"), bind("/dev/shm"), bind("/a"), bind("/a/b")]
    targets = [m["destination"] for m in spec.build(container(), FACTS, given, "/x")["mounts"]]
    assert targets.count("/dev/shm") == 1
    assert targets.index("/a") < targets.index("/a/b") < targets.index("/a/b/c")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("rprivate", "rprivate"),
        ("rslave", "rslave"),
        ("slave", "rslave"),
        ("shared", "rshared"),
        ("rshared", "rshared"),
    ],
)
def test_the_root_lets_propagation_through(option: str, expected: str) -> None:
    mount: Any = {"destination": "/a", "type": "bind", "source": "/srv", "options": ["rbind", option]}
    assert spec.build(container(), FACTS, [mount], "/x")["linux"]["rootfsPropagation"] == expected


HOSTS = st.fixed_dictionaries(
    {},
    optional={
        "CapAdd": st.lists(st.sampled_from(["ALL", "SYS_ADMIN", "NET_ADMIN"])),
        "CapDrop": st.lists(st.sampled_from(["ALL", "CHOWN"])),
        "Privileged": st.booleans(),
        "ReadonlyRootfs": st.booleans(),
        "NetworkMode": st.sampled_from(["", "bridge", "host", "none"]),
        "SecurityOpt": st.lists(st.sampled_from(["no-new-privileges", "seccomp=unconfined"])),
    },
)


@settings(max_examples=40, deadline=None)
@given(HOSTS)
def test_what_holds_for_every_container(host: dict[str, Any]) -> None:
    document = spec.build(container(1, {"HostConfig": host}), FACTS, [], "/carrack/x")
    sets = document["process"]["capabilities"]
    assert sets["inheritable"] == sets["ambient"] == []
    assert sets["bounding"] == sets["effective"] == sets["permitted"]
    if not host.get("Privileged"):
        assert "/proc/kcore" in document["linux"]["maskedPaths"]
        assert "/proc/sys" in document["linux"]["readonlyPaths"]
        assert document["linux"]["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    own_network = host.get("NetworkMode") != "host"
    assert ("net.ipv4.ping_group_range" in document["linux"]["sysctl"]) == own_network


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("host", "whole"),
    [({}, True), ({"NetworkMode": "none", "ShmSize": 1 << 20}, True), ({"Privileged": True}, False)],
)
def test_what_is_made_ahead_fits_a_container_with_the_defaults(version: int, host: dict[str, Any], whole: bool) -> None:
    facts = FACTS._replace(cgroup_version=version)
    wanted = spec.build(container(1, {"HostConfig": host}), facts, [], "/x")
    made = stage.fits(json.loads(json.dumps(spec.usual_spec(facts))), json.loads(json.dumps(wanted)))
    kinds = {wanted["mounts"][index]["type"] for index in made}
    assert kinds == (
        {"proc", "tmpfs", "devpts", "sysfs", "mqueue"} | ({"cgroup"} if version == 1 else set()) if whole else set()
    )


EXTENTS: Any = ({"containerID": 0, "hostID": 100000, "size": 65536},)
REMAPPED = FACTS._replace(remap=Remap("me", EXTENTS, EXTENTS))


def test_a_remapped_container_has_a_user_namespace_with_its_map() -> None:
    document = spec.build(container(1), REMAPPED, [], "/x")
    assert {"type": "user"} in document["linux"]["namespaces"]
    assert document["linux"]["uidMappings"] == document["linux"]["gidMappings"] == list(EXTENTS)
    assert document["linux"]["sysctl"]["net.ipv4.ping_group_range"] == "0 65535"
    names = tuple(namespace["type"] for namespace in document["linux"]["namespaces"])
    assert names == spec.usual_namespaces(REMAPPED)


@pytest.mark.parametrize("host", [{"UsernsMode": "host"}, {"NetworkMode": "container:" + "2" * 64}])
def test_who_opts_out_or_joins_another_has_none_of_its_own(host: dict[str, str]) -> None:
    document = spec.build(container(1, {"HostConfig": host}), REMAPPED, [], "/x")
    assert "user" not in [namespace["type"] for namespace in document["linux"]["namespaces"]]
    assert "uidMappings" not in document["linux"]


def test_the_hosts_message_queues_are_bound_where_they_cannot_be_mounted() -> None:
    mounts = spec.build(container(1, {"HostConfig": {"IpcMode": "host"}}), REMAPPED, [], "/x")["mounts"]
    assert [m["type"] for m in mounts if m["destination"] == "/dev/mqueue"] == ["bind"]


def test_labels_are_those_of_the_record() -> None:
    c = container(1, {"HostConfig": {"SecurityOpt": ["label=nested"]}})
    plain = spec.build(c, FACTS, [], "/x")
    assert "selinuxLabel" not in plain["process"]
    assert "mountLabel" not in plain["linux"]
    assert defaults.SELINUX not in plain["mounts"]
    c.process_label, c.mount_label = "u:r:p:s0:c1,c2", "u:r:f:s0:c1,c2"
    given = replace(FACTS.given, selinux=Contexts("u:r:p:s0", "u:r:f:s0", "u:r:f:s0"))
    labelled = spec.build(c, FACTS._replace(given=given), [], "/x")
    assert labelled["process"]["selinuxLabel"] == "u:r:p:s0:c1,c2"
    assert labelled["linux"]["mountLabel"] == "u:r:f:s0:c1,c2"
    assert defaults.SELINUX in labelled["mounts"]
    assert not stage.fits(spec.usual_spec(FACTS), labelled)
    c.host_config["Privileged"] = True
    assert spec.process_label(c) == ""


@pytest.mark.parametrize(("host", "first"), [({}, spec.INIT), ({"PidMode": "host"}, "true")])
def test_no_second_init_joins_a_pid_namespace_of_others(host: dict[str, Any], first: str) -> None:
    c = container(1, {"Cmd": ["true"], "HostConfig": {"Init": True, **host}})
    assert spec.build(c, FACTS, [], "/x")["process"]["args"][0] == first
