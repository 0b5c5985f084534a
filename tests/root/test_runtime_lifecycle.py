"""carrack-runtime's verbs on a real bundle: create, start, state, exec, ps, pause, update, kill, delete, hooks."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.bundle import Bundle

pytestmark = pytest.mark.root


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    made = Bundle(tmp_path)
    yield made
    made.clean()
    assert cgroups_of(made) == []


def cgroups_of(bundle: Bundle) -> list[str]:
    prefix = bundle.id.rpartition("-")[0] + "-"
    found = []
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        found += [f"{directory}/{name}" for name in names if name.startswith(prefix)]
        if directory.count("/") > 4:
            names.clear()
    return found


def eventually(check: object, seconds: float = 20) -> None:
    assert callable(check)
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def status(bundle: Bundle) -> str:
    result = bundle.command("state", bundle.id)
    assert result.returncode == 0, result.stderr
    return str(json.loads(result.stdout)["status"])


def test_created_waits_started_runs_and_deleted_is_gone(bundle: Bundle) -> None:
    bundle.process["args"] = ["sh", "-c", "echo ran > /tmp/ran; exec sleep 30"]
    bundle.write()
    pid_file = bundle.directory / "pid"
    quiet = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    created = bundle.command("create", "-b", str(bundle.directory), "--pid-file", str(pid_file), bundle.id, **quiet)
    assert created.returncode == 0
    assert status(bundle) == "created"
    assert not (bundle.rootfs / "tmp/ran").exists()
    assert "already exists" in bundle.command("create", "-b", str(bundle.directory), bundle.id).stderr
    assert bundle.command("start", bundle.id).returncode == 0
    assert status(bundle) == "running"
    eventually((bundle.rootfs / "tmp/ran").exists)
    assert json.loads(bundle.command("state", bundle.id).stdout)["pid"] == int(pid_file.read_text())
    assert "already running" in bundle.command("start", bundle.id).stderr
    assert "not stopped: running" in bundle.command("delete", bundle.id).stderr
    assert bundle.command("kill", bundle.id, "KILL").returncode == 0
    eventually(lambda: status(bundle) == "stopped")
    assert bundle.command("kill", bundle.id).stderr == "container not running\n"
    assert bundle.command("delete", bundle.id).returncode == 0
    assert bundle.command("state", bundle.id).stderr == "container does not exist\n"
    assert os.listdir(bundle.state_root) == []


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("nothere", 127, 'exec: "nothere": executable file not found in $PATH'),
        ("/not/here", 127, 'exec: "/not/here": stat /not/here: no such file or directory'),
        ("/etc", 126, 'exec: "/etc": is a directory'),
        ("/etc/passwd", 126, 'exec: "/etc/passwd": permission denied'),
        ("/bin/nonsense", 126, "exec /bin/nonsense: exec format error"),
    ],
)
def test_a_program_that_cannot_start_has_the_shell_s_code(bundle: Bundle, program: str, code: int, words: str) -> None:
    (bundle.rootfs / "bin/nonsense").write_text("neither script nor binary")
    (bundle.rootfs / "bin/nonsense").chmod(0o755)
    log = bundle.directory / "log"
    bundle.process["args"] = [program]
    bundle.write()
    flags = ["--log", str(log), "--log-format", "json"]
    result = bundle.command(*flags, "run", "-b", str(bundle.directory), bundle.id)
    assert result.returncode == code
    assert words in result.stderr
    entry = json.loads(log.read_text())
    assert entry["level"] == "error"
    assert words in entry["msg"]
    assert os.listdir(bundle.state_root) == []


def test_exit_codes_and_signals_come_back(bundle: Bundle) -> None:
    assert bundle.run("sh", "-c", "exit 42").returncode == 42
    assert bundle.run("sh", "-c", "kill -9 $$; sleep 9 & kill -9 $!; wait $!").returncode == 137
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "pid"]
    assert bundle.run("sh", "-c", "kill -15 $$").returncode == 143


def test_a_working_directory_that_is_a_file_is_told_in_known_words(bundle: Bundle) -> None:
    bundle.process["cwd"] = "/etc/passwd"
    result = bundle.run("true")
    assert result.returncode == 1
    assert 'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory' in result.stderr


def test_exec_joins_everything_and_reports_like_run(bundle: Bundle) -> None:
    container = bundle.detached("sleep", "60")
    spaces = bundle.command("exec", container, "ls", "-l", "/proc/self/ns", "/proc/1/ns").stdout
    parts = spaces.split("\n\n")
    first, second = ([line.split()[-1] for line in part.splitlines() if "->" in line] for part in parts)
    assert len(first) > 7
    assert first == second
    script = "id -u; pwd; echo $EXTRA; grep Cap /proc/self/status"
    result = bundle.command(
        "exec", "-u", "1000:1000", "-e", "EXTRA=set", "--cwd", "/tmp", container, "sh", "-c", script
    )
    lines = result.stdout.splitlines()
    assert lines[:3] == ["1000", "/tmp", "set"]
    assert "CapInh:\t0000000000000000" in lines
    assert "CapBnd:\t00000000a80425fb" in lines
    assert bundle.command("exec", container, "sh", "-c", "exit 9").returncode == 9
    missing = bundle.command("exec", container, "nothere")
    assert missing.returncode == 127
    assert 'exec: "nothere": executable file not found in $PATH' in missing.stderr
    with_input = bundle.command("exec", container, "cat", input="through\n")
    assert with_input.stdout == "through\n"
    mine = set(json.loads(bundle.command("ps", "--format", "json", container).stdout))
    assert len(mine) == 1
    document = {**bundle.process, "args": ["sh", "-c", "tty"], "terminal": True}
    (bundle.directory / "process.json").write_text(json.dumps(document))
    shown = bundle.command("exec", "-p", str(bundle.directory / "process.json"), container)
    assert shown.stdout.strip() == "/dev/pts/0"


def test_a_paused_container_stands_still(bundle: Bundle) -> None:
    container = bundle.detached("sh", "-c", "while true; do date +%N > /tmp/tick; sleep 0.02; done")
    tick = bundle.rootfs / "tmp/tick"
    eventually(tick.exists)
    assert bundle.command("pause", container).returncode == 0
    assert status(bundle) == "paused"
    before = tick.stat().st_mtime_ns
    time.sleep(0.15)
    assert tick.stat().st_mtime_ns == before
    assert "paused" in bundle.command("exec", container, "true").stderr
    assert bundle.command("resume", container).returncode == 0
    eventually(lambda: tick.stat().st_mtime_ns != before)
    assert "not paused" in bundle.command("resume", container).stderr


def test_limits_are_set_and_updated(bundle: Bundle) -> None:
    bundle.linux["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20}, cpu={"shares": 512, "cpus": "0"})
    container = bundle.detached("sleep", "60")

    def limits() -> list[str]:
        files = "memory/memory.limit_in_bytes pids/pids.max cpu/cpu.shares cpuset/cpuset.cpus".split()
        if Path("/sys/fs/cgroup/cgroup.controllers").exists():
            files = ["memory.max", "pids.max"]
        names = [f"/sys/fs/cgroup/{name}" for name in files]
        return bundle.command("exec", container, "cat", *names).stdout.split()

    assert limits()[:2] == [str(64 << 20), "20"]
    changed = bundle.command("update", "--memory", str(32 << 20), "--pids-limit", "30", container)
    assert changed.returncode == 0, changed.stderr
    assert limits()[:2] == [str(32 << 20), "30"]
    text = json.dumps({"pids": {"limit": 31}})
    assert bundle.command("update", "-r", "-", container, input=text).returncode == 0
    assert limits()[1] == "31"
    assert "invalid value 'x'" in bundle.command("update", "--memory", "x", container).stderr


def test_devices_outside_the_list_are_refused_by_the_cgroup(bundle: Bundle) -> None:
    script = "mknod /tmp/kmsg c 1 11; head -c 1 /tmp/kmsg; echo code $?; head -c 1 /dev/zero | wc -c"
    result = bundle.run("sh", "-c", script)
    assert "Operation not permitted" in result.stderr
    assert result.stdout.split() == ["code", "1", "1"]


def test_kill_all_ends_a_container_that_shares_the_host_s_pids(bundle: Bundle) -> None:
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "pid"]
    container = bundle.detached("sh", "-c", "sleep 60 & sleep 60 & wait")
    eventually(lambda: len(json.loads(bundle.command("ps", "--format", "json", container).stdout)) == 3)
    assert bundle.command("kill", "--all", container, "KILL").returncode == 0
    eventually(lambda: status(bundle) == "stopped")
    assert json.loads(bundle.command("ps", "--format", "json", container).stdout) == []


def test_the_console_socket_is_handed_the_terminal(bundle: Bundle) -> None:
    path = str(bundle.directory / "console.sock")
    bundle.process.update(terminal=True, args=["sh", "-c", "test -c /dev/console && tty && stty size"])
    bundle.process["consoleSize"] = {"height": 11, "width": 22}
    bundle.write()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        done = bundle.command("run", "-d", "-b", str(bundle.directory), "--console-socket", path, bundle.id)
        assert done.returncode == 0, done.stderr
        connection, _ = listener.accept()
        with connection:
            _, ancillary, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
    (master,) = struct.unpack("i", ancillary[0][2])
    said = b""
    try:
        while chunk := os.read(master, 1000):
            said += chunk
    except OSError:  # hung up
        pass
    finally:
        os.close(master)
    assert said.split() == [b"/dev/pts/0", b"11", b"22"]


def test_hooks_run_in_order_with_the_state(bundle: Bundle) -> None:
    record = bundle.directory / "hooks"
    inside = bundle.rootfs / "inside"

    def hook(point: str, target: Path | str) -> dict[str, object]:
        script = f'read -r state; echo "{point} $state" >> {target}'
        return {"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 5}

    outer = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    bundle.spec["hooks"] = {point: [hook(point, record)] for point in outer}
    bundle.spec["hooks"]["startContainer"] = [hook("startContainer", "/inside")]
    assert bundle.run("true").returncode == 0
    lines = [line.partition(" ") for line in record.read_text().splitlines()]
    assert [line[0] for line in lines] == list(outer)
    states = [json.loads(line[2]) for line in lines]
    assert [state["status"] for state in states] == ["creating", "creating", "creating", "running", "stopped"]
    assert states[0]["bundle"] == str(bundle.directory)
    assert json.loads(inside.read_text().partition(" ")[2])["status"] == "created"


def test_a_hook_that_fails_or_hangs_fails_the_creation(bundle: Bundle) -> None:
    bundle.spec["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo why >&2; exit 3"]}]}
    failed = bundle.run("true")
    assert failed.returncode == 1
    assert "error running createRuntime hook #0: /bin/sh: exit status 3, stderr: why" in failed.stderr
    bundle.spec["hooks"] = {"createContainer": [{"path": "/bin/sleep", "args": ["sleep", "20"], "timeout": 1}]}
    hung = bundle.run("true")
    assert "was killed after 1 s" in hung.stderr
    assert os.listdir(bundle.state_root) == []


def test_preserved_descriptors_reach_the_program_and_no_others(bundle: Bundle) -> None:
    (bundle.directory / "given").write_text("given\n")
    bundle.process["args"] = ["sh", "-c", "cat <&3; ls /proc/self/fd"]
    bundle.write()
    runtime = [sys.executable, "-m", "carrack.runtime.main", "--root", str(bundle.state_root), "run"]
    line = [*runtime, "--preserve-fds", "1", "-b", str(bundle.directory), bundle.id]
    shell = f'exec "$@" 3< {bundle.directory}/given 4< /etc/hostname'
    done = subprocess.run(["sh", "-c", shell, "sh", *line], capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.split() == ["given", "0", "1", "2", "3", "4"], done.stderr  # 4: what ls reads


def test_namespaces_can_be_joined(bundle: Bundle) -> None:
    first = bundle.detached("sleep", "60")
    pid = json.loads(bundle.command("state", first).stdout)["pid"]
    wanted = os.readlink(f"/proc/{pid}/ns/net")
    for entry in bundle.linux["namespaces"]:
        if entry["type"] in ("network", "ipc"):
            entry["path"] = f"/proc/{pid}/ns/{'net' if entry['type'] == 'network' else 'ipc'}"
    assert bundle.shell("ls -l /proc/self/ns/net").split()[-1] == wanted
    bundle.linux["namespaces"][0]["path"] = "/etc/passwd"
    assert "is not a pid namespace" in bundle.run("true").stderr


def test_a_namespace_mounted_somewhere_can_be_joined(bundle: Bundle) -> None:
    """As engines and ``ip netns`` keep them: the file's name then tells nothing of its kind."""
    first = bundle.detached("sleep", "60")
    pid = json.loads(bundle.command("state", first).stdout)["pid"]
    place = bundle.directory / "kept"
    place.touch()
    subprocess.run(["mount", "--bind", f"/proc/{pid}/ns/net", str(place)], check=True)
    try:
        wanted = os.readlink(f"/proc/{pid}/ns/net")
        for entry in bundle.linux["namespaces"]:
            if entry["type"] == "network":
                entry["path"] = str(place)
        bundle.linux["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
        shown = bundle.shell("ls -l /proc/self/ns/net; cat /proc/sys/net/ipv4/ip_default_ttl").split()
        assert shown[-2:] == [wanted, "77"]
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_the_host_s_namespace_by_its_path_is_still_the_host_s(bundle: Bundle) -> None:
    for entry in bundle.linux["namespaces"]:
        if entry["type"] == "network":
            entry["path"] = "/proc/self/ns/net"
    assert bundle.shell("ls -l /proc/self/ns/net").split()[-1] == os.readlink("/proc/self/ns/net")
    bundle.linux["sysctl"] = {"net.ipv4.ip_default_ttl": "78"}
    assert "not allowed in host network namespace" in bundle.run("true").stderr


def test_a_foreground_container_gets_our_signals(bundle: Bundle) -> None:
    bundle.process["args"] = ["sh", "-c", "trap 'echo got; exit 3' TERM; echo ready; while true; do sleep 0.02; done"]
    bundle.write()
    line = [sys.executable, "-m", "carrack.runtime.main", "--root", str(bundle.state_root), "run", "-b"]

    with subprocess.Popen([*line, str(bundle.directory), bundle.id], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "got\n"
        assert process.wait(10) == 3


def test_exec_joins_a_user_namespace_and_its_cgroup(bundle: Bundle) -> None:
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.linux.update(uidMappings=mapping, gidMappings=mapping)
    bundle.linux["namespaces"].append({"type": "user"})
    container = bundle.detached("sleep", "60")
    result = bundle.command("exec", container, "sh", "-c", "id -u; cat /proc/self/uid_map; readlink /proc/self/ns/user")
    space = bundle.command("exec", "-u", "5:5", container, "readlink", "/proc/self/ns/user").stdout
    assert result.stdout.split() == ["0", "0", "100000", "65536", space.strip()]
    inside = bundle.command("exec", container, "cat", "/proc/self/cgroup").stdout
    assert inside == bundle.command("exec", container, "cat", "/proc/1/cgroup").stdout
