"""Containers in user namespaces: ``userns-remap``, and ``--userns=host`` against it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE
from tests.cli.remapped import COUNT, FIRST, docker_on, remapping, with_accounts
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, created, eventually

pytestmark = [pytest.mark.root, pytest.mark.census("daemon.json userns-remap", "user userns-remap (subuid/subgid)")]
MAP = ["0", str(FIRST), str(COUNT)]


@pytest.fixture(scope="module")
def remap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with remapping(tmp_path_factory.mktemp("remap")) as process:
        yield process


@pytest.fixture
def run(remap: DaemonProcess) -> Iterator[Cli]:
    """The real docker (ours where it is not installed) to the daemon that remaps."""
    with docker_on(remap) as command:
        yield command


def inside(run: Cli, script: str, *options: str) -> list[str]:
    return run("run", "--rm", *options, IMAGE, "sh", "-c", script).stdout.splitlines()


def pid_of(run: Cli, name: str) -> int:
    return int(run("inspect", "--format", "{{.State.Pid}}", name).stdout)


@pytest.mark.census("namespace userns", "HostConfig.UsernsMode")
def test_root_inside_is_somebody_else_outside(run: Cli) -> None:
    run("run", "-d", "--name", "box", IMAGE, "sleep", "100")
    told = run("exec", "box", "sh", "-c", "id -u; cat /proc/self/uid_map /proc/self/gid_map").stdout.splitlines()
    assert told[0] == "0"
    assert [line.split() for line in told[1:]] == [MAP, MAP]
    status = Path(f"/proc/{pid_of(run, 'box')}/status").read_text()
    assert f"Uid:\t{FIRST}\t{FIRST}\t{FIRST}\t{FIRST}" in status
    assert "Seccomp:\t2" in status
    assert "CapBnd:\t00000000a80425fb" in status
    assert f"{FIRST}" in run("top", "box").stdout.splitlines()[1]
    assert "name=userns" in run("info", "--format", "{{.SecurityOptions}}").stdout
    assert json.loads(run("inspect", "box").stdout)[0]["HostConfig"]["UsernsMode"] == ""


def test_everything_of_the_container_is_its_roots(run: Cli) -> None:
    run("volume", "create", "made")
    places = (
        "/ /bin/busybox /etc/passwd /etc/hosts /etc/hostname /etc/resolv.conf /dev /dev/pts /dev/shm /dev/mqueue /made "
        "/anonymous /temporary"
    )
    options = ("-v", "made:/made", "-v", "/anonymous", "--tmpfs", "/temporary")
    assert set(inside(run, f"stat -c %u:%g {places}", *options)) == {"0:0"}
    assert inside(run, "stat -c %u:%g /dev/shm", "--ipc", "shareable") == ["0:0"]
    written = "touch /x /made/x /temporary/x && chown 7:8 /x && mkdir -m 2755 /d && stat -c %u:%g:%a /x /d"
    assert inside(run, written, *options) == ["7:8:644", "0:0:2755"]
    nodes = "/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty"
    assert inside(run, f"chmod 600 {nodes} 2>/tmp/no || stat -c %a {nodes}") == ["666"] * 6
    assert inside(run, "mount | grep -c '^sysfs on /sys.*(ro'; cat /proc/keys /proc/timer_list; ls /proc/acpi") == ["1"]


def test_streams_and_terminals_are_the_programs_own(run: Cli, remap: DaemonProcess) -> None:
    assert inside(run, "echo out > /dev/stdout; echo err > /dev/stderr") == ["out"]
    assert inside(run, "id -u; echo out > /dev/stdout", "-u", "1000:1000") == ["1000", "out"]
    run("run", "-d", "--name", "box", IMAGE, "sleep", "100")
    assert run("exec", "-u", "33", "box", "sh", "-c", "id -u; echo out > /dev/stdout").stdout == "33\nout\n"
    tty = run.on_terminal(["run", "--rm", "-it", IMAGE, "sh", "-c", "stat -c %u:%g /dev/console $(tty)"], [])[0]
    assert tty.split() == [b"0:5", b"0:5"]
    tty = run.on_terminal(["exec", "-it", "-u", "33", "box", "sh", "-c", "stat -c %u:%g $(tty)"], [])[0]
    assert tty.split() == [b"33:5"]
    full = int(run("exec", "--privileged", "box", "sh", "-c", "grep CapEff /proc/self/status").stdout.split()[1], 16)
    assert full.bit_count() > 14  # all, but in the container's user namespace only


@pytest.mark.census("user --userns=host", "run --userns", "create --userns", "HostConfig.UsernsMode")
def test_a_container_may_opt_out(run: Cli) -> None:
    assert inside(run, "cat /proc/self/uid_map", "--userns", "host")[0].split() == ["0", "0", "4294967295"]
    assert inside(run, "stat -c %u /etc/hosts", "--userns", "host", "--privileged") == ["0"]
    assert inside(run, "hostname", "--userns", "host", "--network", "host") == [os.uname().nodename]
    run("create", "--userns", "host", "--name", "box", IMAGE, "readlink", "/proc/self/ns/user")
    assert run("start", "-a", "box").stdout.strip() == os.readlink("/proc/self/ns/user")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (
            ("--privileged",),
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace "
            "when running privileged mode",
        ),
        (("--network", "host"), "cannot share the host's network namespace when user namespaces are enabled"),
        (("--pid", "host"), "cannot share the host PID namespace when user namespaces are enabled"),
    ],
)
def test_what_needs_the_hosts_root_is_refused_in_dockers_words(run: Cli, option: tuple[str, ...], told: str) -> None:
    refused = run("create", *option, IMAGE, check=False)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert run("ps", "-aq").stdout == ""


def test_the_other_namespaces_of_the_host_can_be_shared(run: Cli) -> None:
    assert inside(run, "readlink /proc/self/ns/ipc; test -d /dev/mqueue && echo there", "--ipc", "host") == [
        os.readlink("/proc/self/ns/ipc"),
        "there",
    ]
    assert inside(run, "hostname", "--uts", "host") == [os.uname().nodename]
    assert inside(run, "cat /proc/sys/net/ipv4/ping_group_range")[0].split() == ["0", str(COUNT - 1)]
    assert inside(run, "cat /proc/sys/kernel/msgmax", "--sysctl", "kernel.msgmax=1000") == ["1000"]
    assert inside(run, "ulimit -n; touch /x || id -u", "--ulimit", "nofile=99", "--read-only") == ["99", "0"]


@pytest.mark.skipif(not Path("/dev/loop0").exists(), reason="needs a block device of the host")
def test_a_device_is_bound_under_any_name(run: Cli) -> None:
    assert inside(run, "ls -l /dev/mine | cut -c1", "--device", "/dev/loop0:/dev/mine") == ["b"]


def test_layers_are_shared_and_changes_have_the_containers_ids_on_disk(run: Cli) -> None:
    run("run", "--name", "box", IMAGE, "sh", "-c", "touch /root/f; chown 5:6 /root/f; rm /etc/group")
    upper = Path(json.loads(run("inspect", "box").stdout)[0]["GraphDriver"]["Data"]["UpperDir"])
    found = (upper / "root/f").stat()
    assert (found.st_uid, found.st_gid) == (5, 6)
    assert not (upper / "bin").exists()
    assert "D /etc/group" in run("diff", "box").stdout.splitlines()
    run("commit", "box", "committed")
    try:
        for options in ((), ("--userns", "host")):
            told = run(
                "run", "--rm", *options, "committed", "sh", "-c", "stat -c %u:%g /root/f /bin; ! test -e /etc/group"
            )
            assert told.stdout.split() == ["5:6", "0:0"]
        layers = tarfile.open(fileobj=io.BytesIO(run.raw("save", "committed")))
        owners = {owner for layer in _layers(layers) for owner in layer}
        assert owners == {(0, 0), (5, 6)}
    finally:
        run("rmi", "committed")


def _layers(archive: tarfile.TarFile) -> Iterator[set[tuple[int, int]]]:
    for member in archive:
        file = archive.extractfile(member) if member.isfile() else None
        if file is not None and member.name.startswith("blobs/") and member.size > 600:
            try:
                with tarfile.open(fileobj=file) as layer:
                    yield {(entry.uid, entry.gid) for entry in layer}
            except tarfile.TarError:
                continue  # a config or a manifest


def owners(archive: bytes) -> dict[str, tuple[int, int]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name.strip("/"): (member.uid, member.gid) for member in tar}


def test_copies_have_the_containers_ids_running_or_not(run: Cli, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.touch()
    os.chown(given, 7, 8)
    script = "touch /root/f /data/f; chown 5:6 /root/f /data/f; exec sleep 100"
    run("run", "-d", "--name", "box", "-v", "vol:/data", IMAGE, "sh", "-c", script)
    eventually(lambda: "5" in run("exec", "box", "stat", "-c", "%u", "/data/f", check=False).stdout)
    for name in ("running", "stopped"):
        for place in ("root", "data"):
            assert owners(run.raw("cp", f"box:/{place}/f", "-"))["f"] == (5, 6)
            run("cp", "-a", str(given), f"box:/{place}/{name}")
        exported = owners(run.raw("export", "box"))
        assert (exported["root/f"], exported["bin"]) == ((5, 6), (0, 0))
        if name == "running":
            run("stop", "-t", "0", "box")
    on_disk = Path(run("volume", "inspect", "--format", "{{.Mountpoint}}", "vol").stdout.strip())
    assert on_disk.stat().st_uid == FIRST
    assert {path.name: path.stat().st_uid for path in on_disk.iterdir()} == {
        "f": FIRST + 5,
        "running": FIRST + 7,
        "stopped": FIRST + 7,
    }
    run("start", "box")
    told = run(
        "exec", "box", "stat", "-c", "%u:%g", *(f"/{p}/{n}" for p in ("root", "data") for n in ("running", "stopped"))
    )
    assert set(told.stdout.split()) == {"7:8"}
    os.chown(given, COUNT + 5, 0)
    refused = run("cp", "-a", str(given), "box:/root/", check=False)
    assert f"Container ID {COUNT + 5} cannot be mapped to a host ID" in refused.stderr


def test_new_volumes_get_the_images_files_with_their_owners(run: Cli, tmp_path: Path) -> None:
    run("run", "--name", "box", IMAGE, "sh", "-c", "mkdir /seed; touch /seed/f; chown 5:6 /seed /seed/f")
    run("commit", "box", "seeded")
    try:
        assert run(
            "run", "--rm", "-v", "vol2:/seed", "seeded", "stat", "-c", "%u", "/seed", "/seed/f"
        ).stdout.split() == ["5", "5"]
        place = Path(run("volume", "inspect", "--format", "{{.Mountpoint}}", "vol2").stdout.strip())
        assert (place / "f").stat().st_uid == FIRST + 5
        missing = tmp_path / "made by the daemon"
        assert inside(run, "touch /d/x; stat -c %u /d /d/x", "-v", f"{missing}:/d") == ["0", "0"]
        assert missing.stat().st_uid == FIRST
    finally:
        run("rmi", "seeded")


def test_who_joins_namespaces_of_another_joins_its_users_and_nobody_else_does(run: Cli) -> None:
    run("run", "-d", "--name", "first", "--ipc", "shareable", IMAGE, "sleep", "100")
    run("run", "-d", "--name", "second", IMAGE, "sleep", "100")
    run("run", "-d", "--name", "away", "--userns", "host", IMAGE, "sleep", "100")
    user = {name: os.readlink(f"/proc/{pid_of(run, name)}/ns/user") for name in ("first", "second", "away")}
    assert len(set(user.values())) == 3
    options = ("--network", "container:first", "--ipc", "container:first", "--pid", "container:first")
    assert inside(run, "readlink /proc/self/ns/user; id -u; stat -c %u /dev/shm", *options) == [user["first"], "0", "0"]
    refused = run("run", "--rm", "--network", "container:away", IMAGE, "true", check=False)
    assert "container away is not in a user namespace with this daemon's map" in refused.stderr
    refused = run("run", "--rm", "--network", "container:first", "--ipc", "host", "--pid", "container:second", IMAGE,
                  "true", check=False)  # fmt: skip
    assert "two containers that are in different user namespaces" in refused.stderr
    assert inside(run, "readlink /proc/self/ns/user", "--userns", "host", "--network", "container:first") == [
        user["away"]
    ]


def test_slots_are_parked_with_the_map(run: Cli, remap: DaemonProcess) -> None:
    inside(run, "true")

    def parked() -> bool:
        """Beside slots of the kinds that other tests have asked for."""
        root = Path("/sys/fs/cgroup")
        procs = [*root.glob(f"*/{remap.cgroup[1:]}/*/cgroup.procs"), *root.glob(f"{remap.cgroup[1:]}/*/cgroup.procs")]
        pids = {pid for file in procs for pid in file.read_text().split()}
        return any(Path(f"/proc/{pid}/uid_map").read_text().split() == MAP for pid in pids)

    eventually(parked)


def test_containers_survive_a_killed_daemon_with_their_users(run: Cli, remap: DaemonProcess) -> None:
    run("run", "-d", "--name", "box", IMAGE, "sleep", "100")
    before = pid_of(run, "box")
    remap.crash()
    remap.start()
    assert pid_of(run, "box") == before
    assert run("exec", "box", "sh", "-c", "id -u; head -1 /proc/self/uid_map").stdout.split() == ["0", *MAP]
    assert run("stats", "--no-stream", "--format", "{{.Name}}", "box").stdout == "box\n"
    run("restart", "-t", "0", "box")
    assert run("exec", "box", "head", "-1", "/proc/self/uid_map").stdout.split() == MAP
    os.kill(pid_of(run, "box"), signal.SIGKILL)
    assert run("wait", "box").stdout == "137\n"


def test_a_user_that_the_map_does_not_have_is_refused(run: Cli) -> None:
    refused = run("run", "--rm", "-u", str(COUNT), IMAGE, "id", "-u", check=False)
    assert refused.returncode in (125, 126)
    assert f"unable to setup user: cannot setuid to unmapped uid {COUNT} in user namespace" in refused.stderr
    refused = run("run", "--rm", "-u", f"0:{COUNT}", IMAGE, "id", "-u", check=False)
    assert "unable to setup user:" in refused.stderr


def test_the_api_takes_the_mode_and_refuses_others(run: Cli, remap: DaemonProcess) -> None:
    identity = created(remap, IMAGE, ["cat", "/proc/self/uid_map"], {"UsernsMode": "host"})
    assert run("start", "-a", identity).stdout.split() == ["0", "0", "4294967295"]
    status, answer = api(remap, "POST", "/containers/create", {"Image": IMAGE, "HostConfig": {"UsernsMode": "x"}})
    assert (status, json.loads(answer)["message"]) == (400, "invalid user namespace mode: x")


@pytest.mark.census("dockerd --userns-remap")
@pytest.mark.parametrize(
    ("word", "ranges", "told"),
    [
        ("carl", "", "there is no user carl in /etc/passwd"),
        ("54321", "", "/etc/subuid gives no ids to dockremap: add a line such as dockremap:100000:65536"),
        ("dockremap:nobody:x", "", "invalid user/group specification"),
        ("default", "dockremap:0:65536\n", "the host's own root"),
    ],
)
def test_a_daemon_without_usable_ranges_does_not_start(tmp_path: Path, word: str, ranges: str, told: str) -> None:
    process = with_accounts(DaemonProcess(tmp_path, "--userns-remap", word), ranges)
    with pytest.raises(AssertionError, match="does not answer"):
        process.start()
    process.stop()
    assert told in process.log.read_text()


@pytest.mark.census("dockerd --userns-remap")
@pytest.mark.parametrize("driver", ["overlay", "copy"])
def test_the_other_drivers_show_layers_with_other_owners_too(
    tmp_path: Path, driver: str, remap: DaemonProcess, run: Cli
) -> None:
    archive = run.raw("save", IMAGE)
    process = with_accounts(DaemonProcess(tmp_path, "--userns-remap", "54321", "--storage-driver", driver))
    command = CommandLine("carrack", process)
    try:
        process.start()
        subprocess.run([*command.program, "load"], input=archive, env=process.environment, check=True)
        told = command(
            "run", "--rm", IMAGE, "sh", "-c", "head -1 /proc/self/uid_map; touch /x; stat -c %u /x /bin /etc"
        )
        assert told.stdout.split() == [*MAP, "0", "0", "0"]
    finally:
        process.stop()


@pytest.mark.census("dockerd --userns-remap")
def test_the_default_user_is_made_where_there_is_none(tmp_path: Path) -> None:
    if not shutil.which("useradd") or Path("/etc/passwd").read_text().count("dockremap:"):
        pytest.skip("needs useradd, and a machine without the user")
    process = DaemonProcess(tmp_path, "--userns-remap", "default")
    etc = tmp_path / "etc"
    subprocess.run(["cp", "-a", "/etc", str(etc)], check=True)
    (etc / "subuid").write_text("somebody:100000:65536\n")
    (etc / "subgid").write_text("")
    process.wrapper = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc)]
    try:
        process.start()
        assert "name=userns" in CommandLine("carrack", process)("info", "--format", "{{.SecurityOptions}}").stdout
    finally:
        process.stop()
    assert (etc / "subuid").read_text() == "somebody:100000:65536\ndockremap:165536:65536\n"
    assert (etc / "subgid").read_text() == "dockremap:165536:65536\n"
    assert "dockremap:" in (etc / "passwd").read_text()
    assert "dockremap" not in Path("/etc/passwd").read_text()
