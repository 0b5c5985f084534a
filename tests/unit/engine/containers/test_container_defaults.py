"""The daemon's defaults reach a container's spec, and give way to what it says itself."""

from __future__ import annotations

from typing import Any

from tests.fakes.containers import FACTS, container

from carrack.engine import spec
from carrack.engine.containers import merge
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.privileges import Security
from carrack.model import container as model
from carrack.model import schema

GIVEN = ContainerDefaults(
    shm_size=1 << 20,
    ipc_mode="shareable",
    cgroupns_mode="private",
    ulimits={"nofile": {"Name": "nofile", "Soft": 64, "Hard": 64}, "core": {"Name": "core", "Soft": 1, "Hard": 1}},
    init=True,
    security=Security(confined=False, profile=None, no_new_privileges=True),
)


def test_what_is_recorded_when_a_container_is_made() -> None:
    def completed(body: Any) -> Any:
        host = schema.check(body, model.HOST_CONFIG, "HostConfig")
        merge.host_config(host, cgroup_version=1, given=GIVEN)
        return [host[name] for name in ("ShmSize", "IpcMode", "CgroupnsMode")]

    assert completed({}) == [1 << 20, "shareable", "private"]
    assert completed({"ShmSize": 9, "IpcMode": "private", "CgroupnsMode": "host"}) == [9, "private", "host"]
    assert completed({"Privileged": True})[2] == "host"


def test_what_counts_when_one_starts() -> None:
    facts = FACTS._replace(given=GIVEN, init_path="/usr/bin/tini-static")
    usual = spec.build(container(1), facts, [], "/")["process"]
    assert usual["noNewPrivileges"]
    assert usual["args"][0] == spec.INIT
    assert {limit["type"]: limit["soft"] for limit in usual["rlimits"]} == {"RLIMIT_NOFILE": 64, "RLIMIT_CORE": 1}
    own: dict[str, Any] = {
        "SecurityOpt": ["no-new-privileges=false"],
        "Init": False,
        "Ulimits": [{"Name": "nofile", "Soft": 5, "Hard": 5}],
    }
    other = spec.build(container(1, {"HostConfig": own}), facts, [], "/")["process"]
    assert not other["noNewPrivileges"]
    assert other["args"][0] == "sh"
    assert {limit["type"]: limit["soft"] for limit in other["rlimits"]} == {"RLIMIT_NOFILE": 5, "RLIMIT_CORE": 1}
