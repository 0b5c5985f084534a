"""What a user namespace is for: root of a remapped container, given every capability and no filter, is nobody outside.

Attacks of other files of this folder are repeated here where a start in a user namespace goes another way (deputy.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE
from tests.cli.remapped import COUNT, FIRST, docker_on, remapping
from tests.cli.running import Cli, DaemonProcess
from tests.fakes.sandbox import run_apart

pytestmark = pytest.mark.root
ALL = ("--cap-add", "ALL", "--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")


@pytest.fixture(scope="module")
def remap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with remapping(tmp_path_factory.mktemp("remap")) as process:
        yield process


@pytest.fixture
def run(remap: DaemonProcess) -> Iterator[Cli]:
    with docker_on(remap) as command:
        yield command


def tried(run: Cli, attempts: dict[str, str], *options: str) -> list[str]:
    """The names of the attempts that succeed inside."""
    script = "".join(f"( {attempt} ) >/dev/null 2>&1 && echo {name}\n" for name, attempt in attempts.items())
    return run("run", "--rm", *options, IMAGE, "sh", "-c", f"{script}true").stdout.split()


def test_files_of_the_host_stay_what_they_are(run: Cli, tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    tmp_path.chmod(0o755)
    folder.mkdir(mode=0o755)
    for path in (secret, folder / "file"):
        path.write_text("the host's")
        path.chmod(0o600)
    attempts = {
        "control": "touch /tmp/x && chown 5 /tmp/x && chmod 4755 /tmp/x",
        "read": "cat /bind/secret",
        "write": "echo x >> /bind/secret",
        "mode": "chmod 666 /bind/secret",
        "owner": "chown 0 /bind/secret",
        "delete": "rm -f /bind/folder/file",
        "rename": "mv /bind/folder/file /bind/folder/other",
        "make": "touch /bind/folder/new",
        "list": "ls /bind/folder/file",  # the directory is everybody's to look into
    }
    assert tried(run, attempts, *ALL, "-v", f"{tmp_path}:/bind") == ["control", "list"]
    assert secret.read_text() == (folder / "file").read_text() == "the host's"
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_capabilities_end_at_the_namespace(run: Cli) -> None:
    attempts = {
        "control": "hostname mine && mount -t tmpfs none /mnt && ip link add name d0 type dummy || hostname mine",
        "device": "mknod /tmp/disk b 254 0",
        "priority": "nice -n -20 true 2>&1 | grep -q . && exit 1 || [ $(nice -n -20 nice) = -20 ]",
        "sysctl": "echo x > /proc/sys/kernel/core_pattern",
        "memory": "echo 1 > /proc/sys/vm/drop_caches",
        "sysrq": "echo h > /proc/sysrq-trigger",
        "oom": "echo -1000 > /proc/self/oom_score_adj",
        "limit": "ulimit -Hn 100 && ulimit -Hn 101",
        "debugfs": "mount -t debugfs none /mnt",
        "devtmpfs": "mount -t devtmpfs none /mnt",
        "kernel-log": "dmesg -c",
    }
    assert tried(run, attempts, *ALL, "--tmpfs", "/mnt") == ["control"]


def test_cve_2022_0492_no_hierarchy_of_cgroups_is_mounted_in_a_user_namespace(run: Cli) -> None:
    attempts = {
        "v1": "mkdir /tmp/c && mount -t cgroup -o memory none /tmp/c && echo x >> /tmp/c/release_agent",
        "nested": "unshare -Urm sh -c 'mkdir /tmp/n && mount -t cgroup -o memory none /tmp/n'",
        "shown": "echo x >> /sys/fs/cgroup/*/release_agent",
        "remounted": "mount -o remount,rw /sys/fs/cgroup/memory && mkdir /sys/fs/cgroup/memory/x",
    }
    assert tried(run, attempts, *ALL) == []


def test_cve_2022_0185_a_default_container_makes_no_further_user_namespace(run: Cli) -> None:
    assert tried(run, {"unshare": "unshare -U true", "mount": "unshare -Urm true"}) == []


def test_cve_2024_21626_no_descriptor_comes_along(run: Cli) -> None:
    looked = "for fd in /proc/self/fd/*; do [ -e $fd ] && echo ${fd##*/}; done; true"
    run("run", "-d", "--name", "box", IMAGE, "sleep", "100")
    for said in (
        run("run", "--rm", IMAGE, "sh", "-c", looked).stdout.split(),
        run("exec", "box", "sh", "-c", looked).stdout.split(),
    ):
        assert set(said) <= {"0", "1", "2", "3"}  # 3 is the shell's own, that of the directory it looks into
    assert run("exec", "box", "ls", "/proc/1/fd").stdout.split() == ["0", "1", "2"]
    for number in range(3, 20):
        leaked = ("-w", f"/proc/self/fd/{number}")
        for words in (("run", "--rm", *leaked, IMAGE), ("exec", *leaked, "box")):
            done = run(*words, "sh", "-c", "ls ../../.. ", check=False)
            assert done.returncode != 0 or "vmlinuz" not in done.stdout
            assert "carrack" not in done.stdout


def test_cve_2022_24769_nothing_is_inheritable(run: Cli) -> None:
    run("run", "-d", "--name", "box", *ALL, IMAGE, "sleep", "100")
    for words in (("exec", "box"), ("exec", "-u", "5", "box"), ("exec", "--privileged", "box"), ("run", "--rm", IMAGE)):
        told = run(*words, "grep", "-E", "CapInh|CapAmb", "/proc/self/status").stdout.split()
        assert told == ["CapInh:", "0" * 16, "CapAmb:", "0" * 16]


@pytest.mark.parametrize("user", [str(COUNT), "2147483647", "2147483648", "4294967295", "4294967296", "-1"])
def test_cve_2024_40635_a_number_that_is_nobody_is_never_root(run: Cli, user: str) -> None:
    done = run("run", "--rm", f"--user={user}", IMAGE, "id", "-u", check=False)
    assert done.returncode != 0
    assert done.stdout == ""


def test_cve_2025_31133_masks_are_what_they_should_be(run: Cli) -> None:
    script = "stat -c %t:%T /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware; stat -f -c %T /sys/firmware"
    assert run("run", "--rm", IMAGE, "sh", "-c", script).stdout.split() == [
        *("1:3", "1:3", "/proc/acpi:", "/sys/firmware:", "tmpfs"),
    ]


def test_cve_2021_41091_the_user_of_a_containers_root_does_not_reach_the_data_root(
    run: Cli, remap: DaemonProcess
) -> None:
    script = "cp /bin/busybox /suid; chmod 4755 /suid; sleep 100"
    run("run", "-d", "--name", "box", "-v", "vol:/v", IMAGE, "sh", "-c", script)
    place = Path(run("volume", "inspect", "--format", "{{.Mountpoint}}", "vol").stdout.strip())
    assert place.stat().st_uid == FIRST

    def work() -> None:
        os.setgroups([])
        os.setresgid(FIRST, FIRST, FIRST)
        os.setresuid(FIRST, FIRST, FIRST)
        for path in (place, remap.root / "data/layers", remap.root / "run/containers"):
            with pytest.raises(PermissionError):
                os.listdir(path)

    run_apart(work)


def test_what_shares_a_volume_shares_nothing_else(run: Cli) -> None:
    """Two remapped containers have the same ids on the host, but neither the namespace nor rights over each other."""
    for name in ("one", "two"):
        run("run", "-d", "--name", name, *ALL, IMAGE, "sleep", "100")
    pids = {name: run("inspect", "--format", "{{.State.Pid}}", name).stdout.strip() for name in ("one", "two")}
    spaces = {os.readlink(f"/proc/{pid}/ns/user") for pid in pids.values()}
    assert len(spaces) == 2
    said = run("exec", "one", "sh", "-c", f"kill -9 {pids['two']} 2>&1; ls /proc | grep -x {pids['two']}; true").stdout
    assert "No such process" in said
    assert run("inspect", "--format", "{{.State.Running}}", "two").stdout == "true\n"
