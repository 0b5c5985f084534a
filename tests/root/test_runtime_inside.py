"""What a container of carrack-runtime sees of itself: identity, privileges, mounts, devices, paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.bundle import Bundle

from carrack.linux.mount import read_mountinfo

pytestmark = pytest.mark.root


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    made = Bundle(tmp_path)
    yield made
    made.clean()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def status(bundle: Bundle) -> dict[str, str]:
    lines = bundle.shell("cat /proc/self/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_is_process_one_of_a_named_host_with_only_its_streams(bundle: Bundle) -> None:
    leak = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        said = bundle.shell("echo $$; hostname; pwd; echo $HOME; ls /proc/self/fd", pass_fds=(leak,))
    finally:
        os.close(leak)
    # 3 is the directory that ls itself reads
    assert said.split() == ["1", "carrack", "/", "/root", "0", "1", "2", "3"]


def test_privileges_are_the_default_ones_exactly(bundle: Bundle) -> None:
    found = status(bundle)
    wanted = {
        "CapInh": 16 * "0", "CapPrm": "00000000a80425fb", "CapEff": "00000000a80425fb", "CapBnd": "00000000a80425fb",
        "CapAmb": 16 * "0", "NoNewPrivs": "0", "Seccomp": "0", "Uid": "0\t0\t0\t0",
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted


def test_seccomp_and_no_new_privileges_hold(bundle: Bundle) -> None:
    bundle.process["noNewPrivileges"] = True
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}],
    }
    found = status(bundle)
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "1")
    refused = bundle.run("mkdir", "/tmp/x")
    assert refused.returncode == 1
    assert "Permission denied" in refused.stderr
    bundle.process["noNewPrivileges"] = False
    assert status(bundle)["Seccomp"] == "2"


def test_a_user_by_number_loses_capabilities_and_keeps_its_groups(bundle: Bundle) -> None:
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [10, 77], "umask": 0o27}
    said = bundle.shell("id; umask; grep CapEff /proc/self/status; echo $HOME").splitlines()
    assert said[0].startswith("uid=1000(bob) gid=1000(bob) groups=10(wheel),77(extra)")
    assert said[1:] == ["0027", "CapEff:\t0000000000000000", "/home/bob"]


def test_ambient_capabilities_survive_the_change_of_user(bundle: Bundle) -> None:
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    for kind in ("inheritable", "ambient"):
        bundle.process["capabilities"][kind] = ["CAP_NET_BIND_SERVICE"]
    found = status(bundle)
    assert found["CapAmb"] == found["CapEff"] == "0000000000000400"


def test_mounts_are_those_of_the_spec(bundle: Bundle) -> None:
    mounts = {mount.mount_point: mount for mount in read_mountinfo(bundle.shell("cat /proc/self/mountinfo"))}
    shapes = {point: (mount.fstype, ",".join(mount.options)) for point, mount in mounts.items()}
    quiet = "nosuid,nodev,noexec,relatime"
    wanted = {
        "/proc": ("proc", "rw,relatime"), "/dev": ("tmpfs", "rw,nosuid"),
        "/dev/pts": ("devpts", "rw,nosuid,noexec,relatime"), "/dev/shm": ("tmpfs", f"rw,{quiet}"),
        "/dev/mqueue": ("mqueue", f"rw,{quiet}"), "/sys": ("sysfs", f"ro,{quiet}"),
        "/proc/sys": ("proc", "ro,relatime"),
    }  # fmt: skip
    assert {point: shapes[point] for point in wanted} == wanted
    assert shapes["/sys/fs/cgroup"][1].startswith("ro,")
    # told from the root of its file system on, which need not be the machine's
    assert mounts["/"].root.endswith("/".join(bundle.rootfs.parts[-2:]))


def test_devices_are_the_default_ones_and_links(bundle: Bundle) -> None:
    bundle.linux["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 7, "gid": 8},
        {"path": "/dev/deep/pipe", "type": "p"},
    ]
    said = bundle.shell(
        "cd /dev; for f in null zero full random urandom tty fuse; do stat -c '%n %t:%T %a %u:%g' $f; done;"
        "for l in fd stdin stdout stderr ptmx; do readlink $l; done; test -p deep/pipe;"
        "echo x > null; head -c 2 zero | od -An"
    )
    assert said.splitlines() == [
        "null 1:3 666 0:0", "zero 1:5 666 0:0", "full 1:7 666 0:0", "random 1:8 666 0:0", "urandom 1:9 666 0:0",
        "tty 5:0 666 0:0", "fuse a:e5 600 7:8",
        "/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx", " 000000",
    ]  # fmt: skip


def test_masked_paths_are_the_null_device_or_empty_and_read_only_ones_refuse(bundle: Bundle) -> None:
    said = bundle.shell(
        "for p in /proc/interrupts /proc/keys; do stat -c '%t:%T' $p; done; ls /sys/firmware | wc -l;"
        "if echo 1 2>/dev/null > /proc/sys/kernel/domainname; then echo open; else echo shut; fi"
    )
    assert said.split() == ["1:3", "1:3", "0", "shut"]
    before = os.stat("/dev/null")
    refused = bundle.run("chmod", "600", "/proc/keys")
    assert "Read-only file system" in refused.stderr
    assert os.stat("/dev/null").st_mode == before.st_mode


def test_streams_that_lead_nowhere_are_a_null_device_of_its_own(bundle: Bundle) -> None:
    """Root inside can change the mode of what it holds open; the host's /dev/null must not be what changes."""
    before = os.stat("/dev/null").st_ctime_ns  # of a change of mode, the same mode too
    said = bundle.shell("stat -Lc %t:%T:%a /proc/self/fd/0; chmod 666 /proc/self/fd/0")
    assert said.split() == ["1:3:666"]
    container = bundle.detached("sleep", "60")
    assert bundle.command("exec", container, "sh", "-ec", "chmod 666 /proc/self/fd/0").returncode == 0
    assert os.stat("/dev/null").st_ctime_ns == before


def test_a_read_only_root_refuses_writes_and_its_mounts_do_not(bundle: Bundle) -> None:
    bundle.spec["root"]["readonly"] = True
    bundle.spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"]})
    assert bundle.shell("touch /x 2>/dev/null || echo refused; touch /tmp/y && ls /tmp").split() == ["refused", "y"]


def test_binds_have_their_options_and_missing_mount_points_are_made(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "shared/below").mkdir(parents=True)
    (tmp_path / "shared/file").write_text("content\n")
    bundle.spec["mounts"] += [
        {"destination": "/data/deep", "type": "bind", "source": str(tmp_path / "shared"), "options": ["rbind", "ro"]},
        {"destination": "/data/one", "type": "bind", "source": str(tmp_path / "shared/file"), "options": ["bind"]},
    ]
    said = bundle.shell(
        "cat /data/one; touch /data/deep/x 2>/dev/null || echo refused; grep /data/ /proc/self/mountinfo"
    )
    lines = said.splitlines()
    assert lines[:2] == ["content", "refused"]
    infos = {info.mount_point: info for info in read_mountinfo("\n".join(lines[2:]))}
    assert "ro" in infos["/data/deep"].options
    assert infos["/data/one"].propagation == "private"


def test_files_and_directories_do_not_go_on_each_other(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for source, place in ((tmp_path / "file", "/tmp"), (tmp_path, "/etc/passwd")):
        bind = {"source": str(source), "destination": place, "type": "bind", "options": ["rbind"]}
        bundle.spec["mounts"].append(bind)
        result = bundle.run("true")
        assert f"mounting '{source}' to '{place}': not a directory" in result.stderr
        del bundle.spec["mounts"][-1]


def test_a_bind_can_show_other_owners(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").touch()
    mapping = [{"containerID": 0, "hostID": 5000, "size": 10}]
    mount = {"type": "bind", "source": str(tmp_path / "shared"), "uidMappings": mapping, "gidMappings": mapping}
    bundle.spec["mounts"].append({"destination": "/data", "options": ["rbind", "idmap"], **mount})
    assert bundle.shell("stat -c %u:%g /data/file").split() == ["5000:5000"]
    assert (tmp_path / "shared/file").stat().st_uid == 0


def test_a_tmpfs_can_begin_with_what_it_hides(bundle: Bundle) -> None:
    (bundle.rootfs / "seed").mkdir(mode=0o750)
    (bundle.rootfs / "seed/file").write_text("seed\n")
    (bundle.rootfs / "seed/link").symlink_to("/nowhere")
    bundle.spec["mounts"].append(
        {"destination": "/seed", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"]}
    )
    assert bundle.shell("cat /seed/file; readlink /seed/link; rm /seed/file; stat -c %a /seed").split() == [
        "seed", "/nowhere", "750",
    ]  # fmt: skip
    assert (bundle.rootfs / "seed/file").exists()


def test_sysctls_of_its_own_namespaces_are_set_and_others_refused(bundle: Bundle) -> None:
    bundle.linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.msgmax": "4096"}
    said = bundle.shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax")
    assert said.split() == ["0", "4096"]
    bundle.linux["sysctl"] = {"kernel.panic": "1"}
    refused = bundle.run("true")
    assert refused.returncode == 1
    assert 'sysctl "kernel.panic" is not in a separate kernel namespace' in refused.stderr


def test_its_loopback_is_up_and_its_network_its_own(bundle: Bundle) -> None:
    assert "UP LOOPBACK RUNNING" in bundle.shell("ifconfig lo")


def test_a_user_namespace_maps_root_to_an_ordinary_user(bundle: Bundle) -> None:
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.linux.update(uidMappings=mapping, gidMappings=mapping)
    bundle.linux["namespaces"].append({"type": "user"})
    said = bundle.shell("id -u; cat /proc/self/uid_map; touch /tmp/made; stat -c %t:%T /dev/null /proc/keys")
    assert said.split() == ["0", "0", "100000", "65536", "1:3", "1:3"]
    assert (bundle.rootfs / "tmp/made").stat().st_uid == 100000


def test_a_bind_may_have_the_map_of_its_container(bundle: Bundle, tmp_path: Path) -> None:
    for place in (tmp_path / "shared", bundle.rootfs / "data"):
        place.mkdir()
    mount = {"type": "bind", "source": str(tmp_path / "shared"), "destination": "/data", "options": ["bind", "idmap"]}
    bundle.spec["mounts"].append(mount)
    refused = bundle.run("true")
    assert "to id-map it takes uidMappings and gidMappings, its own or the container's" in refused.stderr
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.linux.update(uidMappings=mapping, gidMappings=mapping)
    bundle.linux["namespaces"].append({"type": "user"})
    assert bundle.shell("stat -c %u:%g /data; touch /data/made; chown 5:6 /data/made").split() == ["0:0"]
    made = (tmp_path / "shared/made").stat()
    assert (made.st_uid, made.st_gid) == (5, 6)
    mount["source"] = "/proc/sys"
    assert "the file system there (proc) has no id-mapped mounts" in bundle.run("true").stderr


def test_a_time_namespace_has_its_offset(bundle: Bundle) -> None:
    bundle.linux["namespaces"].append({"type": "time"})
    bundle.linux["timeOffsets"] = {"boottime": {"secs": 100_000_000}}
    assert float(bundle.shell("cat /proc/uptime").split()[0]) > 100_000_000


def test_rlimits_lower_and_a_raise_without_the_capability_is_told(bundle: Bundle) -> None:
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 60, "hard": 70}]
    assert bundle.shell("ulimit -n; ulimit -H -n").split() == ["60", "70"]
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 2**63, "hard": 2**63}]
    refused = bundle.run("true")
    assert refused.returncode == 1
    assert "error setting rlimit type 7: operation not permitted" in refused.stderr


def test_the_oom_score_goes_up_and_the_working_directory_is_made(bundle: Bundle) -> None:
    bundle.process.update(oomScoreAdj=500, cwd="/made/on/demand")
    assert bundle.shell("cat /proc/self/oom_score_adj; pwd").split() == ["500", "/made/on/demand"]
