"""Containers that runc and crun run, on the daemon whose own runtime runs the others: what users see is the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.remapped import COUNT, FIRST, remapping
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually

from carrack.linux.mount import AT_FDCWD, MNT_DETACH, MS_SHARED
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root

UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers").exists()


@pytest.fixture(
    params=[
        pytest.param("runc", marks=pytest.mark.census("runtime runc")),
        pytest.param("crun", marks=pytest.mark.census("runtime crun")),
    ]
)
def runtime(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    return name


def memory_limit(docker: Cli, name: str) -> str:
    file = "/sys/fs/cgroup/memory.max" if UNIFIED else "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    return docker("exec", name, "cat", file).stdout.strip()


def parent(pid: int) -> int:
    """Of a container's first process: its shim."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


def pid_of(docker: Cli, name: str) -> int:
    return int(docker("inspect", "-f", "{{.State.Pid}}", name).stdout)


def cgroups_of(parent: str) -> list[str]:
    """What stands below a daemon's cgroup, in any tree."""
    return [
        str(path)
        for path in (*Path("/sys/fs/cgroup").glob(f"*{parent}/*/"), *Path(f"/sys/fs/cgroup{parent}").glob("*/"))
    ]


def gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.census("run --runtime", "HostConfig.Runtime")
def test_a_program_sees_what_it_sees_with_our_own(docker: Cli, image: str, runtime: str) -> None:
    script = (
        "grep -E '^(Cap|Seccomp:|NoNew)' /proc/self/status; id; pwd; echo $HOME $A; hostname; cat /proc/1/comm;"
        " ls -A /proc/acpi; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip -o addr show eth0 | wc -l; exit 7"
    )
    options = ["-u", "nobody", "-w", "/made/here", "-e", "A=b", "-h", "host", "--security-opt", "no-new-privileges"]
    seen = {}
    for name in ("carrack", runtime):
        done = docker("run", "--rm", "--runtime", name, *options, image, "sh", "-c", script, check=False)
        seen[name] = (done.returncode, done.stdout, done.stderr)
    assert seen[runtime] == seen["carrack"]
    assert seen[runtime][0] == 7
    assert "Seccomp:\t2" in seen[runtime][1]
    assert "uid=65534(nobody)" in seen[runtime][1]


def test_its_life(docker: Cli, image: str, runtime: str) -> None:
    """Started, asked, paused, changed, signalled, ended and started again."""
    script = 'echo out; echo err >&2; trap "exit 5" TERM; while sleep 0.1; do :; done'
    docker("run", "-d", "--name", "one1", "--runtime", runtime, "-m", "64m", image, "sh", "-c", script)
    assert docker("inspect", "-f", "{{.HostConfig.Runtime}}", "one1").stdout == f"{runtime}\n"
    eventually(lambda: docker("logs", "one1").stdout == "out\n")
    assert docker("logs", "one1").stderr == "err\n"
    assert memory_limit(docker, "one1") == str(64 << 20)
    assert "sleep 0.1" in docker("top", "one1").stdout
    stats = docker("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "one1").stdout
    assert re.fullmatch(r"\S+ / 64MiB [12]\n", stats)  # a sleep may have ended just now
    docker("update", "-m", "32m", "--memory-swap", "64m", "one1")
    assert memory_limit(docker, "one1") == str(32 << 20)
    docker("pause", "one1")
    state = Path(f"/proc/{pid_of(docker, 'one1')}/cgroup").read_text()
    path = next(line for line in state.splitlines() if "freezer" in line or line.startswith("0::/")).rpartition(":")[2]
    frozen = Path(f"/sys/fs/cgroup{path}/cgroup.freeze" if UNIFIED else f"/sys/fs/cgroup/freezer{path}/freezer.state")
    assert frozen.read_text().strip() in ("1", "FROZEN")
    docker("unpause", "one1")
    docker("stop", "one1")
    assert docker("inspect", "-f", "{{.State.ExitCode}}", "one1").stdout == "5\n"
    docker("restart", "one1")
    docker("kill", "one1")
    assert docker("inspect", "-f", "{{.State.ExitCode}} {{.State.Running}}", "one1").stdout == "137 false\n"


def test_exec_and_files(docker: Cli, image: str, runtime: str) -> None:
    docker("run", "-d", "--name", "one2", "--runtime", runtime, "-v", "/anonymous", image, "sleep", "1000")
    done = docker("exec", "-i", "-u", "nobody", "-e", "A=b", "-w", "/tmp", "one2", "sh", "-c", "id -un; pwd; echo $A; cat; exit 4", stdin="in\n", check=False)  # fmt: skip  # noqa: E501
    assert (done.returncode, done.stdout) == (4, "nobody\n/tmp\nb\nin\n")
    missing = docker("exec", "one2", "nope", check=False)
    assert missing.returncode == 127
    assert "not found in $PATH" in missing.stdout + missing.stderr
    docker("cp", "-", "one2:/anonymous", stdin=root_file_system())
    assert docker("exec", "one2", "cat", "/anonymous/www/index.html").stdout == "carrack serves\n"
    docker("exec", "one2", "touch", "/new")
    assert "A /new" in docker("diff", "one2").stdout


def test_terminals(docker: Cli, image: str, runtime: str) -> None:
    words = [
        "run",
        "--rm",
        "-it",
        "--runtime",
        runtime,
        image,
        "sh",
        "-c",
        "stty size; tty; read x; echo got $x; exit 3",
    ]
    output, code = docker.on_terminal(words, [(b"/dev/", b"word\n")])
    assert code == 3
    assert b"33 101" in output
    assert b"got word" in output
    docker("run", "-d", "--name", "one3", "--runtime", runtime, image, "sleep", "1000")
    output, code = docker.on_terminal(
        ["exec", "-it", "one3", "sh", "-c", "stty size; read x; exit 6"], [(b"33 101", b"\n")]
    )
    assert code == 6


def test_others_join_and_are_joined(docker: Cli, image: str, runtime: str) -> None:
    docker(
        "run", "-d", "--name", "one4", "--runtime", runtime, "--ipc", "shareable", image, "httpd", "-f", "-h", "/www"
    )
    joining = ["--network", "container:one4", "--pid", "container:one4", "--ipc", "container:one4"]
    script = "wget -qO- http://127.0.0.1/index.html; cat /proc/1/cmdline; readlink /proc/self/ns/ipc"
    for other in (runtime, "carrack"):
        done = docker("run", "--rm", "--runtime", other, *joining, image, "sh", "-c", script)
        assert done.stdout.startswith("carrack serves\nhttpd\0-f\0"), other
        assert done.stdout.endswith(os.readlink(f"/proc/{pid_of(docker, 'one4')}/ns/ipc") + "\n")
    host = docker("run", "--rm", "--runtime", runtime, "--network", "host", image, "readlink", "/proc/self/ns/net")
    assert host.stdout == os.readlink("/proc/self/ns/net") + "\n"


def test_what_the_host_has_mounted_stays(docker: Cli, image: str, runtime: str, tmp_path: Path) -> None:
    """Binds that are shared with the host are put in the runtime's way, and taken out of it again."""
    tree = tmp_path / "tree"
    tree.mkdir()
    fds = [LINUX.new_mount("tmpfs", []) for _ in range(2)]
    try:
        LINUX.move_mount(fds[0], AT_FDCWD, str(tree))
        LINUX.mount(None, str(tree), None, MS_SHARED)
        (tree / "below").mkdir()
        LINUX.move_mount(fds[1], AT_FDCWD, str(tree / "below"))
        (tree / "below/file").touch()
        for mode in ("rshared", "shared", "rslave"):
            script = "mkdir -p /m/in && mount -t tmpfs inner /m/in && touch /m/in/new && ls /m/below"
            words = ["run", "--rm", "--privileged", "--runtime", runtime, "-v", f"{tree}:/m:{mode}"]
            seen = docker(*words, image, "sh", "-c", script).stdout
            assert seen == "file\n", mode
            assert (tree / "below/file").exists()
            assert (tree / "in/new").exists() is (mode != "rslave")
            if mode != "rslave":
                LINUX.umount(str(tree / "in"))
    finally:
        for fd in fds:
            os.close(fd)
        LINUX.umount(str(tree), MNT_DETACH)


def test_memory_that_runs_out_and_a_restart_policy(docker: Cli, image: str, runtime: str) -> None:
    words = ["--runtime", runtime, "--memory", "16m", "--memory-swap", "16m", "--restart", "on-failure:1"]
    docker("run", "-d", "--name", "one5", *words, image, "sh", "-c", "echo run; head -c 100m /dev/zero | tail")
    eventually(lambda: docker("inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "one5").stdout == "exited 1\n")
    assert docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "one5").stdout == "true 137\n"
    assert docker("logs", "one5").stdout == "run\nrun\n"


def test_failed_starts_are_told_in_the_runtimes_words(docker: Cli, image: str, runtime: str) -> None:
    for words, code, text in (
        (["nope"], {"runc": 127, "crun": 125}[runtime], "not found in $PATH"),
        (["/etc"], {"runc": 126, "crun": 125}[runtime], ""),
    ):
        done = docker("run", "--name", "one6", "--runtime", runtime, image, *words, check=False)
        told = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
        assert done.returncode == code
        assert told in done.stderr
        assert text in done.stderr.rpartition(told)[2]
        assert done.stdout == ""
        docker("rm", "one6")


def test_it_outlives_the_daemon_and_is_swept_after_its_shim(docker: Cli, image: str, runtime: str) -> None:
    daemon = docker.daemon
    docker("run", "-d", "--name", "one7", "--runtime", runtime, image, "sh", "-c", "while sleep 0.1; do echo on; done")
    first = pid_of(docker, "one7")
    daemon.crash()
    daemon.start()
    assert pid_of(docker, "one7") == first
    assert docker("exec", "one7", "echo", "still here").stdout == "still here\n"
    os.kill(parent(first), signal.SIGKILL)
    eventually(lambda: docker("inspect", "-f", "{{.State.ExitCode}}", "one7").stdout == "137\n")
    eventually(lambda: gone(first))
    docker("start", "one7")
    second = pid_of(docker, "one7")
    daemon.crash()
    os.kill(parent(second), signal.SIGKILL)
    daemon.start()
    assert docker("inspect", "-f", "{{.State.Status}}", "one7").stdout == "exited\n"
    eventually(lambda: gone(second))
    docker("start", "one7")
    docker("rm", "-f", "one7")
    eventually(lambda: not list((daemon.root / "run/containers").iterdir()))


def test_nothing_is_left_of_a_start_that_is_cut_off(configured: Cli) -> None:
    """The shim is killed while the runtime makes the container, then the daemon is."""
    if not shutil.which("runc"):
        pytest.skip("runc is not installed")
    docker, daemon = configured, configured.daemon
    at, slow = daemon.root / "at", daemon.root / "noting"
    delay = "case \"$*\" in *' create '*) sleep 1;; esac"
    slow.write_text(f'#!/bin/sh\necho $PPID > {at}.new\nmv {at}.new {at}\n{delay}\nexec runc "$@"\n')
    docker("create", "--name", "cut", "--runtime", "flagged", IMAGE, "sleep", "1000")
    start = docker.start("start", "cut")
    eventually(at.exists)
    os.kill(int(at.read_text()), signal.SIGKILL)
    assert "the shim of the container has gone" in start.communicate(timeout=60)[1]
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "cut").stdout == "created 0\n"
    eventually(lambda: cgroups_of(daemon.cgroup) == [])
    at.unlink()
    start = docker.start("start", "cut")
    eventually(at.exists)
    daemon.crash()
    start.communicate(timeout=60)
    daemon.start()
    assert docker("inspect", "-f", "{{.State.Running}}", "cut").stdout == "false\n"
    eventually(lambda: cgroups_of(daemon.cgroup) == [])
    docker("start", "cut")
    docker("rm", "-f", "cut")


@pytest.mark.census("runtime io.containerd.runc.v2")
@pytest.mark.census("runtime youki", "runtime runsc (gVisor)", "runtime kata", "runtime nvidia")
def test_what_is_installed_is_offered_and_other_names_are_refused(docker: Cli, image: str) -> None:
    shown = json.loads(docker("info", "-f", "{{json .}}").stdout)
    assert shown["DefaultRuntime"] == "carrack"
    for name, program in (("runc", "runc"), ("io.containerd.runc.v2", "runc"), ("crun", "crun")):
        if shutil.which(program):
            assert shown["Runtimes"][name] == {"path": program}
    if shutil.which("runc"):
        done = docker("run", "--rm", "--runtime", "io.containerd.runc.v2", image, "echo", "by runc")
        assert done.stdout == "by runc\n"
    for name in ("youki", "runsc", "kata", "nvidia", "cake"):
        if name not in shown["Runtimes"]:
            done = docker("create", "--runtime", name, image, check=False)
            assert f"unknown or invalid runtime name: {name}" in done.stderr
    assert docker("ps", "-aq").stdout == ""


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Cli]:
    """A daemon of its own, for configurations."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    daemon = DaemonProcess(tmp_path, "--add-runtime", f"flagged={tmp_path}/noting", "--slots", "0")
    command = CommandLine("docker" if shutil.which("docker") else "carrack", daemon)
    program = tmp_path / "noting"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/noted\nexec {shutil.which("runc") or "/bin/false"} "$@"\n')
    program.chmod(0o755)
    try:
        daemon.start()
        command(*IMPORT, stdin=archive)
        yield command
    finally:
        daemon.stop()


def settle(command: Cli, document: dict[str, object], default: str) -> None:
    """Have the daemon read that configuration, and wait until it shows."""
    daemon = command.daemon
    (daemon.root / "daemon.json").write_text(json.dumps(document))
    os.kill(int((daemon.root / "pid").read_text()), signal.SIGHUP)
    eventually(lambda: command("info", "-f", "{{.DefaultRuntime}}").stdout == f"{default}\n")


@pytest.mark.census(
    "daemon.json runtimes", "daemon.json default-runtime", "runtime default-runtime",
    "runtime custom runtimes path+runtimeArgs",
)  # fmt: skip
def test_configured_ones_and_their_reload(configured: Cli) -> None:
    if not shutil.which("runc"):
        pytest.skip("runc is not installed")
    docker, root = configured, configured.daemon.root
    assert docker("run", "--rm", "--runtime", "flagged", IMAGE, "echo", "hello").stdout == "hello\n"
    wanted = ["create", "start", "delete"]
    eventually(lambda: [line.split()[6] for line in (root / "noted").read_text().splitlines()] == wanted)
    settle(docker, {"default-runtime": "flagged"}, "flagged")
    docker("run", "-d", "--name", "other1", IMAGE, "sleep", "1000")
    assert docker("inspect", "-f", "{{.HostConfig.Runtime}}", "other1").stdout == "flagged\n"
    settle(docker, {"default-runtime": "gone"}, "flagged")  # refused, and nothing has changed
    settle(docker, {}, "carrack")
    assert docker("exec", "other1", "echo", "as before").stdout == "as before\n"
    docker("rm", "-f", "other1")


def test_a_program_that_is_missing_is_told_at_the_start(tmp_path: Path, image: str, docker: Cli) -> None:
    daemon = DaemonProcess(tmp_path, "--slots", "0")
    (tmp_path / "daemon.json").write_text(
        json.dumps({"runtimes": {"away": {"path": "/nowhere/runc"}, "broken": {"path": "/bin/false"}}})
    )
    command = CommandLine(docker.name, daemon)
    try:
        daemon.start()
        command(*IMPORT, stdin=root_file_system())
        for name, code, text in (
            ("away", 127, "/nowhere/runc: executable file not found"),
            ("broken", 125, "/bin/false create ended with 1"),
        ):
            done = command("run", "--name", "gone1", "--runtime", name, IMAGE, "true", check=False)
            assert done.returncode == code
            assert text in done.stderr
            assert command("inspect", "-f", "{{.State.Status}}", "gone1").stdout == "created\n"
            command("rm", "gone1")
        assert not list((tmp_path / "run/containers").iterdir())
    finally:
        daemon.stop()


@pytest.mark.census("runtime shim runtimeType+options", "GET /info → Runtimes{}.runtimeArgs")
def test_arguments_and_the_options_of_containerds_shim(tmp_path: Path, image: str, docker: Cli) -> None:
    if not shutil.which("runc"):
        pytest.skip("runc is not installed")
    daemon = DaemonProcess(tmp_path, "--slots", "0")
    program = tmp_path / "noting"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/noted\nexec runc "$@"\n')
    program.chmod(0o755)
    through = {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": str(program)}}
    runtimes = {"args": {"path": str(program), "runtimeArgs": ["--debug"]}, "through": through}
    (tmp_path / "daemon.json").write_text(json.dumps({"runtimes": runtimes}))
    command = CommandLine(docker.name, daemon)
    try:
        daemon.start()
        shown = json.loads(command("info", "-f", "{{json .Runtimes}}").stdout)
        assert shown["args"] == {"path": str(program), "runtimeArgs": ["--debug"]}
        command(*IMPORT, stdin=root_file_system())
        for name, first in (("args", "--debug --root "), ("through", "--root ")):
            assert command("run", "--rm", "--runtime", name, IMAGE, "echo", "run").stdout == "run\n"
            made = [line for line in (tmp_path / "noted").read_text().splitlines() if " create " in line]
            assert made[-1].startswith(first)
    finally:
        daemon.stop()


@pytest.mark.census("runtime io.containerd.wasm* shims")
def test_a_shim_of_containerd_is_refused_by_name(tmp_path: Path, daemon: DaemonProcess) -> None:
    other = DaemonProcess(tmp_path)
    (tmp_path / "daemon.json").write_text(json.dumps({"runtimes": {"kata": {"runtimeType": "io.containerd.kata.v2"}}}))
    try:
        with pytest.raises(AssertionError, match=r"runtimeType io.containerd.kata.v2 needs containerd's shim"):
            other.start()
    finally:
        other.stop()


@pytest.fixture(scope="module")
def remapping_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with remapping(tmp_path_factory.mktemp("remap")) as process:
        yield process


def test_users_that_are_remapped(remapping_daemon: DaemonProcess, runtime: str) -> None:
    docker = CommandLine("docker" if shutil.which("docker") else "carrack", remapping_daemon)
    script = "cat /proc/self/uid_map; touch /new; stat -c %u /new /bin; ip -o addr show eth0 | wc -l; ls /sys/class/net"
    words = ["run", "--rm", "-v", "named:/named", "--runtime"]
    own = docker(*words, "carrack", IMAGE, "sh", "-c", script).stdout
    assert own.split()[:3] == ["0", str(FIRST), str(COUNT)]
    assert docker(*words, runtime, IMAGE, "sh", "-c", script).stdout == own
    docker("run", "-d", "--name", "mapped", "--runtime", runtime, IMAGE, "sleep", "1000")
    assert docker("exec", "mapped", "cat", "/proc/self/uid_map").stdout.split() == own.split()[:3]
    host = docker("run", "--rm", "--userns", "host", "--runtime", runtime, IMAGE, "cat", "/proc/self/uid_map")
    assert host.stdout.split() == ["0", "0", "4294967295"]
    docker("rm", "-f", "mapped")
