"""Privileges, devices, namespaces and kernel parameters, as a process in the container finds them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created

from carrack.linux.caps import CAPABILITIES

pytestmark = pytest.mark.root
STATUS = ["grep", "-E", "CapEff|CapBnd|NoNewPrivs|Seccomp:", "/proc/self/status"]
NAMESPACES = ("pid", "ipc", "uts", "net", "cgroup", "user", "mnt")


def status(docker: Cli, image: str, *options: str) -> dict[str, str]:
    """Capabilities, filter and privileges of a container's process."""
    lines = docker("run", "--rm", *options, image, *STATUS).stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def namespaces(docker: Cli, image: str, *options: str) -> dict[str, str]:
    """The kernel's names of the namespaces that a container's process is in."""
    script = f"for name in {' '.join(NAMESPACES)}; do readlink /proc/$$/ns/$name; done"
    done = docker("run", "--rm", *options, image, "sh", "-c", script)
    return dict(zip(NAMESPACES, done.stdout.split(), strict=True))


@pytest.mark.census("run --cap-add", "run --cap-drop", "capability ALL", "security-opt no-new-privileges")
def test_capabilities(docker: Cli, image: str) -> None:
    usual = status(docker, image)
    assert usual == {"CapEff": "00000000a80425fb", "CapBnd": "00000000a80425fb", "NoNewPrivs": "0", "Seccomp": "2"}
    one = status(docker, image, "--cap-drop", "ALL", "--cap-add", "net_admin", "--security-opt", "no-new-privileges")
    assert one == {"CapEff": f"{1 << 12:016x}", "CapBnd": f"{1 << 12:016x}", "NoNewPrivs": "1", "Seccomp": "2"}
    most = int(status(docker, image, "--cap-add", "ALL", "--cap-drop", "CAP_MKNOD")["CapEff"], 16)
    assert (most >> 27 & 1, most >> 21 & 1) == (0, 1)
    unknown = docker("run", "--rm", "--cap-add", "NOSUCH", image, check=False)
    assert 'invalid CapAdd: unknown capability: "CAP_NOSUCH"' in unknown.stderr


@pytest.mark.census(*(f"capability {name.removeprefix('CAP_')}" for name in CAPABILITIES))
@pytest.mark.parametrize("part", [0, 1])
def test_every_capability_by_its_name(docker: Cli, image: str, part: int) -> None:
    """One half of them is given, the other is not: each has its own bit, as far as the machine has it."""
    held = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    names = [name for name, number in CAPABILITIES.items() if number <= last and number % 2 == part]
    words = [f"--cap-add={name.removeprefix('CAP_').lower()}" for name in names]
    found = status(docker, image, "--cap-drop", "ALL", *words)
    asked = sum(1 << CAPABILITIES[name] for name in names)
    assert int(found["CapEff"], 16) == asked & held
    words = [f"--cap-drop={name}" for name in names]
    found = status(docker, image, "--cap-add", "ALL", *words)
    assert int(found["CapBnd"], 16) == ((2 << last) - 1 - asked) & held


@pytest.mark.census(
    "run --security-opt",
    "security-opt seccomp=builtin",
    "security-opt seccomp=unconfined",
    "security-opt seccomp=<profile.json>",
)
def test_system_call_filters(docker: Cli, image: str, tmp_path: Path) -> None:
    assert status(docker, image, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    assert status(docker, image, "--security-opt", "seccomp=builtin")["Seccomp"] == "2"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}
    (tmp_path / "profile").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    own = ["run", "--rm", "--security-opt", f"seccomp={tmp_path}/profile", image, "mkdir", "/x"]
    assert "quota exceeded" in docker(*own, check=False).stderr.lower()


LABELS = ("label=user:x", "label=role:x", "label=type:x", "label=level:s0:c1", "label=nested", "label=nosuch")


def test_labels_are_nothing_to_a_daemon_that_gives_none(docker: Cli, image: str, tmp_path: Path) -> None:
    """As with dockerd, whose answers these are."""
    options = [word for label in LABELS for word in ("--security-opt", label)]
    assert docker("run", "--name", "free", *options, "-v", f"{tmp_path}:/x:Z", image, "echo", "here").stdout == "here\n"
    told = "{{.ProcessLabel}}{{.MountLabel}}{{json .HostConfig.SecurityOpt}}"
    assert json.loads(docker("inspect", "-f", told, "free").stdout) == [*LABELS]
    docker("create", "--name", "lord", "--pid", "host", "--security-opt", "seccomp=unconfined", image)
    assert json.loads(docker("inspect", "-f", told, "lord").stdout) == ["seccomp=unconfined", "label=disable"]


@pytest.mark.parametrize("option", ["apparmor=nosuch", "nosuch=1"])
def test_what_the_kernel_cannot_keep_is_refused(docker: Cli, image: str, option: str) -> None:
    refused = docker("run", "--rm", "--security-opt", option, image, "true", check=False)
    assert refused.returncode in (125, 127)  # AppArmor profiles are looked for when the container starts
    assert option.partition("=")[2] in refused.stderr


@pytest.mark.census("run --privileged", "device --privileged all devices", "HostConfig.Privileged")
def test_privileged(docker: Cli, image: str) -> None:
    script = (
        "grep -E 'CapEff|Seccomp:' /proc/self/status; touch /sys/x 2>&1; test -c /dev/nought && echo mapped; ls /dev"
    )
    options = ["--privileged", "--device", "/dev/zero:/dev/nought", "--device", "/dev/null"]
    out = docker("run", "--rm", *options, image, "sh", "-c", script).stdout
    eff, seccomp, touched, *rest = out.splitlines()
    assert int(eff.split()[1], 16) >> 21 & 1
    assert seccomp.split() == ["Seccomp:", "0"]
    assert "Read-only" not in touched
    assert rest[0] == "mapped"
    nodes = {name for name in os.listdir("/dev") if Path("/dev", name).is_block_device()}
    assert nodes <= set(rest)
    assert "Read-only" in docker("run", "--rm", image, "touch", "/sys/x", check=False).stderr


@pytest.mark.census(
    "security-opt systempaths=unconfined",
    "HostConfig.MaskedPaths",
    "HostConfig.ReadonlyPaths",
    "mount flag masked/readonly paths",
)
def test_paths_that_are_masked_or_read_only(docker: Cli, image: str) -> None:
    count = ["grep", "-c", " /proc/", "/proc/mounts"]
    assert int(docker("run", "--rm", image, *count).stdout) > 5
    assert docker("run", "--rm", "--security-opt", "systempaths=unconfined", image, *count, check=False).stdout == "0\n"
    words = ["sh", "-c", "cat /www/index.html; touch /tmp/x; touch /root/y && echo kept"]
    host: dict[str, object] = {"MaskedPaths": ["/www/index.html"], "ReadonlyPaths": ["/tmp"]}
    done = docker("start", "-a", created(docker.daemon, image, words, host))
    assert done.stdout == "kept\n"
    assert "/tmp/x: Read-only file system" in done.stderr


@pytest.mark.census("run --read-only", "mount flag --read-only rootfs")
def test_a_read_only_root(cli: Cli, image: str) -> None:
    script = "touch /x; touch /dev/shm/y && touch /t/z && echo kept; echo a >> /etc/hosts"
    done = cli("run", "--rm", "--read-only", "--tmpfs", "/t", image, "sh", "-c", script, check=False)
    assert done.stdout == "kept\n"
    assert done.stderr.count("Read-only file system") == 2


@pytest.mark.census("run --device", "device --device host[:cont[:rwm]]")
def test_devices(docker: Cli, image: str) -> None:
    words = ["sh", "-c", "(: > /log) 2>&1; cat /log 2>&1"]  # opens it for writing, then for reading
    done = docker("run", "--rm", "--device", "/dev/kmsg:/log:w", image, *words, check=False)
    assert done.stdout == "cat: can't open '/log': Operation not permitted\n"
    done = docker("run", "--rm", "--device", "/dev/kmsg:/log:m", image, *words, check=False)
    assert done.stdout.count("Operation not permitted") == 2
    folder = docker("run", "--rm", "--device", "/dev/net:/dev/net2", image, "ls", "/dev/net2", check=False)
    if Path("/dev/net/tun").exists():
        assert folder.stdout == "tun\n"
    # That nothing is there is, as with Docker, taken for a program that is not there.
    for path, message, code in (("/dev/nosuch", "/dev/nosuch", 127), ("/etc/passwd", "not a device node", 125)):
        refused = docker("run", "--rm", "--device", path, image, check=False)
        assert refused.returncode == code
        assert message in refused.stderr
    mode = created_error(docker, image, {"Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": "x"}]})
    assert b"invalid device mode" in mode


@pytest.mark.census("run --device-cgroup-rule", "device --device-cgroup-rule")
def test_device_rules(docker: Cli, image: str) -> None:
    """No driver has the number 240:99, so that whoever may open it is told so."""
    words = ["sh", "-c", "mknod /d c 240 99; cat /d"]
    assert "Operation not permitted" in docker("run", "--rm", image, *words, check=False).stderr
    for rule in ("c 240:99 r", "c 240:* rwm", "a *:* rwm"):
        done = docker("run", "--rm", "--device-cgroup-rule", rule, image, *words, check=False)
        assert "No such device or address" in done.stderr, rule
    assert b"invalid device cgroup rule format" in created_error(docker, image, {"DeviceCgroupRules": ["x 1:2 r"]})


@pytest.mark.census(
    "run --pid", "run --uts", "run --cgroupns", "namespace uts", "namespace cgroupns", "namespace network"
)
def test_namespaces_of_the_host(docker: Cli, image: str) -> None:
    own = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    usual = namespaces(docker, image, "--cgroupns", "private")
    assert {name for name in NAMESPACES if usual[name] == own[name]} == {"user"}
    words = ["--pid", "host", "--ipc", "host", "--uts", "host", "--network", "host", "--cgroupns", "host"]
    shared = namespaces(docker, image, *words, "--userns", "host")
    assert {name for name in NAMESPACES if shared[name] != own[name]} == {"mnt"}
    assert docker("run", "--rm", "--uts", "host", image, "hostname").stdout.strip() == os.uname().nodename


@pytest.mark.census("namespace pid", "namespace ipc", "run --ipc")
def test_namespaces_of_another_container(docker: Cli, image: str) -> None:
    script = "echo shared > /dev/shm/f; sleep 100"
    docker("run", "-d", "--name", "owner", "--ipc", "shareable", image, "sh", "-c", script)
    pid = docker("inspect", "-f", "{{.State.Pid}}", "owner").stdout.strip()
    joined = [f"--{name}=container:owner" for name in ("pid", "ipc", "network")]
    mine = namespaces(docker, image, *joined)
    same = {name for name in NAMESPACES if mine[name] == os.readlink(f"/proc/{pid}/ns/{name}")}
    assert {"pid", "ipc", "net"} <= same
    assert not same & {"uts", "mnt"}
    assert docker("run", "--rm", *joined, image, "cat", "/dev/shm/f").stdout == "shared\n"
    docker("run", "-d", "--name", "alone", image, "sleep", "100")
    refused = docker("run", "--rm", "--ipc", "container:alone", image, check=False)
    assert "non-shareable IPC" in refused.stderr


@pytest.mark.census("run --shm-size", "resource shm-size")
def test_shared_memory(docker: Cli, image: str) -> None:
    mounted = ["grep", " /dev/shm ", "/proc/mounts"]
    assert "size=5120k" in docker("run", "--rm", "--shm-size", "5m", image, *mounted).stdout
    assert "size=6144k" in docker("run", "--rm", "--shm-size", "6m", "--ipc", "shareable", image, *mounted).stdout
    assert docker("run", "--rm", "--ipc", "none", image, *mounted, check=False).stdout == ""
    assert docker("run", "--rm", "--ipc", "private", image, *mounted).stdout.count("\n") == 1


@pytest.mark.census(
    *("run --sysctl", "sysctl net.*", "sysctl fs.mqueue.*", "sysctl kernel.msgmax", "sysctl kernel.msgmnb"),
    *("sysctl kernel.msgmni", "sysctl kernel.sem", "sysctl kernel.shmall", "sysctl kernel.shmmax"),
    *("sysctl kernel.shmmni", "sysctl kernel.shm_rmid_forced"),
)
def test_kernel_parameters(docker: Cli, image: str) -> None:
    given = {
        "net.core.somaxconn": "77", "net.ipv4.ip_forward": "0", "kernel.msgmax": "4096", "kernel.msgmnb": "8192",
        "kernel.msgmni": "55", "kernel.sem": "250\t32000\t32\t129", "kernel.shmall": "9999", "kernel.shmmax": "99999",
        "kernel.shmmni": "99", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "7", "fs.mqueue.queues_max": "33",
    }  # fmt: skip
    words = [f"--sysctl={name}={value}" for name, value in given.items()]
    paths = ["/proc/sys/" + name.replace(".", "/") for name in given]
    assert docker("run", "--rm", *words, image, "cat", *paths).stdout.splitlines() == list(given.values())
    for host, message in (
        ({"Sysctls": {"vm.swappiness": "1"}}, "is not in a separate kernel namespace"),
        ({"Sysctls": {"net.core.somaxconn": "1"}, "NetworkMode": "host"}, "host network namespace"),
        ({"Sysctls": {"kernel.msgmax": "1"}, "IpcMode": "host"}, "hosts ipc namespace"),
    ):
        refused = docker("start", created(docker.daemon, image, ["true"], dict(host)), check=False)
        assert message in refused.stderr
    unknown = docker("run", "--rm", "--sysctl", "net.nosuch=1", image, "true", check=False)
    assert (unknown.returncode, "sysctl net.nosuch=1: no such file or directory" in unknown.stderr) == (127, True)
    assert "sethostname" in docker("run", "--rm", "-h", "x" * 70, image, "true", check=False).stderr


@pytest.mark.parametrize(
    ("host", "config", "message"),
    [
        ({"UTSMode": "host"}, {"Hostname": "x"}, "hostname and the UTS mode"),
        ({"UTSMode": "host"}, {"Domainname": "x"}, "domainname and the UTS mode"),
        ({"UTSMode": "x"}, {}, "invalid UTS mode"),
        ({"PidMode": "x"}, {}, "invalid PID mode"),
        ({"IpcMode": "x"}, {}, "invalid IPC mode"),
        ({"CgroupnsMode": "x"}, {}, "invalid cgroup namespace mode"),
        ({"UsernsMode": "x"}, {}, "invalid user namespace mode"),
        ({"Isolation": "hyperv"}, {}, "invalid isolation"),
        ({"Cgroup": "x"}, {}, "HostConfig.Cgroup is not supported"),
        ({"Runtime": "x"}, {}, "unknown or invalid runtime name"),
        ({"LogConfig": {"Type": "none", "Config": {"max-size": "1k"}}}, {}, "invalid logging opts for driver none"),
        ({"LogConfig": {"Type": "json-file", "Config": {"nosuch": "x"}}}, {}, "unknown log opt 'nosuch'"),
        ({}, {"ArgsEscaped": True}, "ArgsEscaped is not supported"),
        ({}, {"Healthcheck": {"Test": ["CMD", "true"], "Retries": -1}}, "Retries in Healthcheck cannot be negative"),
        ({}, {"StopSignal": "NOSUCH"}, "NOSUCH"),
    ],
)
def test_what_contradicts_itself_is_refused(
    docker: Cli, image: str, host: dict[str, object], config: dict[str, object], message: str
) -> None:
    assert message.encode() in created_error(docker, image, host, **config)


def created_error(docker: Cli, image: str, host: dict[str, object], **config: object) -> bytes:
    """The words with which a request is refused; nothing is made."""
    body = {"Image": image, "Cmd": ["true"], "HostConfig": host, **config}
    code, answer = api(docker.daemon, "POST", "/containers/create", body)
    assert code == 400, answer
    assert docker("ps", "-aq").stdout == ""
    return answer
