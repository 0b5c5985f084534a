"""docker-py's options of `run` and `create`, each seen from inside the container."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, *OF_OTHERS]
_V1 = Path("/sys/fs/cgroup/memory").is_dir()

Run = Callable[..., list[str]]


@pytest.fixture
def run(client: Any) -> Run:
    """The lines that a script writes in a container with these options."""

    def lines(script: str, **options: Any) -> list[str]:
        return str(client.containers.run("busybox", ["sh", "-c", script], remove=True, **options).decode()).splitlines()

    return lines


def _cgroup(v1: str, v2: str) -> str:
    return f"cat /sys/fs/cgroup/{v1 if _V1 else v2}"


@pytest.mark.census("HostConfig.Devices", "HostConfig.DeviceCgroupRules")
def test_devices(run: Run) -> None:
    script = (
        "ls -l /dev/mapped | cut -c 1; (: </dev/mapped) && echo read; (: >/dev/mapped) 2>/dev/null || echo read-only"
    )
    said = run(script, devices=["/dev/kmsg:/dev/mapped:r"], cap_add=["SYSLOG"])
    assert said == ["c", "read", "read-only"]
    script = "mknod /dev/kmsg2 c 1 11; cat </dev/kmsg2 >/dev/null & sleep 0.1; kill $! && echo allowed"
    assert run(script, device_cgroup_rules=["c 1:11 rwm"], cap_add=["SYSLOG"]) == ["allowed"]


@pytest.mark.census("HostConfig.CpuPeriod", "HostConfig.CpuQuota", "HostConfig.CpusetCpus", "HostConfig.CpusetMems")
def test_processors(run: Run) -> None:
    script = (
        "grep Cpus_allowed_list /proc/self/status | cut -f 2; grep Mems_allowed_list /proc/self/status | cut -f 2; "
    )
    script += _cgroup("cpu/cpu.cfs_quota_us", "cpu.max")
    wanted = ["0", "0", "25000" if _V1 else "25000 50000"]
    assert run(script, cpu_period=50_000, cpu_quota=25_000, cpuset_cpus="0", cpuset_mems="0") == wanted


@pytest.mark.census("HostConfig.MemoryReservation", "HostConfig.MemorySwap", "HostConfig.OomScoreAdj")
def test_memory(run: Run) -> None:
    script = f"{_cgroup('memory/memory.soft_limit_in_bytes', 'memory.low')}; cat /proc/self/oom_score_adj"
    options = {"mem_limit": "64m", "mem_reservation": "32m", "memswap_limit": "96m", "oom_score_adj": 200}
    assert run(script, **options) == [str(32 << 20), "200"]


@pytest.mark.census("HostConfig.IpcMode", "HostConfig.UTSMode", "HostConfig.PidMode", "HostConfig.CgroupnsMode")
def test_namespaces(run: Run, client: Any) -> None:
    keeper = client.containers.run("busybox", "sleep 600", detach=True, ipc_mode="shareable")
    keeper.exec_run("touch /dev/shm/shared")
    assert run("ls /dev/shm", ipc_mode=f"container:{keeper.id}") == ["shared"]
    assert run("hostname", uts_mode="host") == [Path("/proc/sys/kernel/hostname").read_text().strip()]
    assert run("cat /proc/1/comm", pid_mode="host") == [Path("/proc/1/comm").read_text().strip()]
    assert run("grep -v ':/$' /proc/self/cgroup | wc -l", cgroupns="private") == ["0"]


@pytest.mark.census("HostConfig.GroupAdd", "HostConfig.CapAdd", "HostConfig.SecurityOpt", "Config.Domainname")
def test_the_process(run: Run) -> None:
    script = (
        "id -G; grep NoNewPrivs /proc/self/status | cut -f 2; grep Seccomp: /proc/self/status | cut -f 2; hostname -f"
    )
    options: dict[str, Any] = {"group_add": ["staff", "77"], "hostname": "here", "domainname": "example"}
    assert run(script, security_opt=["no-new-privileges", "seccomp=unconfined"], **options) == [
        "0 50 77",
        "1",
        "0",
        "here.example",
    ]


@pytest.mark.census("HostConfig.DnsOptions", "HostConfig.DnsSearch", "Config.MacAddress", "Config.NetworkDisabled")
def test_the_network(run: Run) -> None:
    script = "grep -e '^[a-z]' -e Ext /etc/resolv.conf; cat /sys/class/net/eth0/address"
    options = {"dns": ["192.0.2.1"], "dns_search": ["example"], "dns_opt": ["ndots:3"]}
    said = run(script, mac_address="02:42:0a:00:00:99", **options)
    servers = ["nameserver 127.0.0.11", "search example", "options ndots:3", "# ExtServers: [192.0.2.1]"]
    assert said == [*servers, "02:42:0a:00:00:99"]
    assert run("ls /sys/class/net", network_disabled=True) == ["lo"]


@pytest.mark.census("HostConfig.PublishAllPorts", "Config.ExposedPorts")
def test_all_ports_are_published(client: Any) -> None:
    web = client.containers.run("busybox", "sleep 600", detach=True, publish_all_ports=True, ports={"80/tcp": None})
    web.reload()
    assert web.ports["80/tcp"][0]["HostPort"]


@pytest.mark.census("HostConfig.LogConfig", "HostConfig.CgroupParent", "HostConfig.Init")
def test_where_it_belongs(run: Run, client: Any, docker: Any) -> None:
    log = docker.types.LogConfig(type="json-file", config={"max-size": "1k", "max-file": "2"})
    teller = client.containers.run("busybox", "seq 1000", detach=True, log_config=log)
    teller.wait()
    kept = teller.logs().decode().split()
    assert kept[-1] == "1000"
    assert len(kept) < 100
    silent = client.containers.run("busybox", "echo x", detach=True, log_config=docker.types.LogConfig(type="none"))
    silent.wait()
    with pytest.raises(docker.errors.APIError, match="does not support reading"):
        silent.logs()
    assert run("cat /proc/1/comm", init=True) == ["docker-init"]
    parent = f"crk-{os.getpid()}-docker-py"
    try:
        assert any(parent in line for line in run("cat /proc/self/cgroup", cgroup_parent=f"/{parent}", cgroupns="host"))
    finally:
        for folder in [*Path("/sys/fs/cgroup").glob(f"*/{parent}"), Path("/sys/fs/cgroup", parent)]:
            if folder.is_dir():
                folder.rmdir()  # whoever names a parent keeps it


@pytest.mark.census("HostConfig.Privileged", "HostConfig.OomKillDisable", "HostConfig.MemorySwappiness")
def test_privileges(run: Run) -> None:
    script = "grep CapEff /proc/self/status | cut -f 2; ls /dev | wc -l; mount -t tmpfs none /tmp && echo mounted"
    everything, devices, mounted = run(script, privileged=True)
    assert int(everything, 16) > 0xA80425FB
    assert (int(devices) > 20, mounted) == (True, "mounted")
    if _V1:
        script = f"{_cgroup('memory/memory.oom_control', '')} | head -1; {_cgroup('memory/memory.swappiness', '')}"
        assert run(script, oom_kill_disable=True, mem_swappiness=7, mem_limit="64m") == ["oom_kill_disable 1", "7"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"links": {"other": "alias"}}, "No such container: other"),
        ({"isolation": "hyperv"}, "isolation"),
        ({"runtime": "no-such"}, "runtime"),
        ({"volume_driver": "no-such", "volumes": ["x:/x"]}, "no-such"),
        ({"security_opt": ["bogus=1"]}, "security"),
        ({"cap_add": ["NO_SUCH"]}, "NO_SUCH"),
        ({"shm_size": -1}, "SHM"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(client: Any, docker: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(docker.errors.APIError, match=said) as failure:
        client.containers.run("busybox", "true", **options)
    assert failure.value.status_code in (400, 404, 500, 501)
    client.containers.prune()
    assert client.containers.list(all=True) == []
