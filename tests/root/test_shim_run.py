"""A shim runs programs: output, exit codes, input, limits, and what is left afterwards."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest
from tests.root.shim_harness import NAMESPACES, Client, Harness, cgroups_of, play

from carrack.errors import NotFound
from carrack.linux import idmap
from carrack.linux.syscalls import LINUX
from carrack.oci.runtime_spec import IdMapping
from carrack.shim.client import StartFailed

pytestmark = pytest.mark.root


def test_output_goes_to_the_log_and_the_exit_code_to_the_daemon(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sh", "-c", "echo out; echo err >&2; exit 3")
        shim = await harness.start(request)
        exit = await shim.exited
        assert (exit.code, exit.oom_killed, exit.lost) == (3, False, False)
        entries = [json.loads(line) for line in Path(request["log"]["directory"], "log").read_text().splitlines()]  # type: ignore[index]
        assert {(entry["stream"], entry["log"]) for entry in entries} == {("stdout", "out\n"), ("stderr", "err\n")}
        on_file = json.loads((Path(request["directory"]) / "exit").read_text())
        assert on_file == {"code": 3, "at": exit.at, "oom_killed": False}
        await shim.released

    play(tmp_path, scene)


def test_nothing_is_left_of_containers_and_slots(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        slot = await harness.slot()
        parked = slot.init_pid
        await slot.discard()
        assert (await harness.run("/bin/true"))[0] == 0
        lost = await harness.slot()
        lost.abandon()
        for _ in range(2000):
            if not cgroups_of(harness.parent) and not Path(f"/proc/{lost.init_pid}").exists():
                break
            await asyncio.sleep(0.01)
        assert cgroups_of(harness.parent) == []
        assert not Path(f"/proc/{parked}").exists()
        assert sorted(os.listdir(harness.directory / "run" / "c1")) == ["exit", "log"]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 127, 'exec: "missing": executable file not found in $PATH'),
        (["/bin/none"], 127, 'exec: "/bin/none": stat /bin/none: no such file or directory'),
        (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_a_program_that_cannot_start_fails_as_users_know_it(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    async def scene(harness: Harness) -> None:
        with pytest.raises(StartFailed) as failure:
            await harness.start(harness.request(*arguments))
        assert failure.value.exit_code == code
        assert message in str(failure.value)
        assert cgroups_of(harness.parent) == []
        assert os.listdir(harness.directory / "run" / "c1") == ["log"]

    play(tmp_path, scene)


def test_input_ends_at_the_half_close_and_late_output_arrives(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sh", "-c", "cat; sleep 0.1; echo late >&2", stdin=True, stdin_once=True)
        shim, client = await harness.attached(request, stdin=True, stdout=True, stderr=True)
        client.writer.write(b"x" * 300_000)
        client.writer.write_eof()
        assert await client.frames() == {1: b"x" * 300_000, 2: b"late\n"}
        assert (await shim.exited).code == 0

    play(tmp_path, scene)


def test_without_stdin_once_a_second_client_can_go_on(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sh", "-c", "read a; read b; echo $a$b", stdin=True)
        shim, first = await harness.attached(request, stdin=True)
        first.writer.write(b"one\n")
        first.writer.close()
        ours, theirs = socket.socketpair()
        await shim.attach(theirs, stdin=True, stdout=True, stderr=True)
        second = await Client.open(ours)
        second.writer.write(b"two\n")
        assert await second.frames() == {1: b"onetwo\n"}
        assert (await shim.exited).code == 0

    play(tmp_path, scene)


def test_a_terminal_has_its_size_and_carries_raw_bytes(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sh", terminal=True, size=[30, 90], stdin=True, stdin_once=True)
        shim, client = await harness.attached(request, stdin=True, stdout=True, stderr=True)
        client.writer.write(b"stty size\n")
        await client.until(b"30 90\r\n")
        await shim.resize(40, 100)
        client.writer.write(b"stty size\n")
        await client.until(b"40 100\r\n")
        client.writer.write(b"tty=$(readlink /proc/self/fd/0); echo got:$tty; exit 7\n")
        await client.until(b"got:/dev/pts/0\r\n")
        assert (await shim.exited).code == 7
        assert await client.reader.read() == b""
        client.writer.close()

    play(tmp_path, scene)


def test_a_killed_program_and_one_out_of_memory_are_told_apart(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        shim = await harness.start(harness.request("/bin/sleep", "100"))
        await shim.signal(signal.SIGKILL)
        exit = await shim.exited
        assert (exit.code, exit.oom_killed) == (137, False)
        with pytest.raises(NotFound):
            await shim.signal(signal.SIGTERM)
        limit = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
        hungry = harness.request("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", resources=limit)
        exit = await (await harness.start(hungry)).exited
        assert (exit.code, exit.oom_killed) == (137, True)

    play(tmp_path, scene)


def test_pause_update_stats_and_pids_reach_the_cgroup(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        shim = await harness.start(harness.request("/bin/sh", "-c", "sleep 100 & wait"))
        assert shim.pid in await shim.pids()
        await shim.pause()
        state = Path(f"/proc/{shim.pid}/stat").read_text().split()
        assert state[2] in "DS"
        await shim.resume()
        await shim.update({"pids": {"limit": 33}, "memory": {"limit": 64 << 20}})
        stats = await shim.stats()
        assert stats["pids"]["limit"] == 33
        if stats["version"] == 1:  # version 2 takes it, and kills until the rest fits
            with pytest.raises(OSError, match="unable to set memory limit"):
                await shim.update({"memory": {"limit": 4096}})
        await shim.signal(signal.SIGKILL)
        assert (await shim.exited).code == 137

    play(tmp_path, scene)


def test_a_reader_that_has_gone_is_dropped_and_a_slow_one_waited_for(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sh", "-c", "head -c 3000000 /dev/zero; echo end", log=None)
        gone_ours, gone_theirs = socket.socketpair()
        slow_ours, slow_theirs = socket.socketpair()
        request["attach"] = [{"fd": 1, "stdout": True}, {"fd": 2, "stdout": True}]
        shim = await harness.start(request, gone_theirs.fileno(), slow_theirs.fileno())
        gone_theirs.close()
        slow_theirs.close()
        gone_ours.close()
        done, _ = await asyncio.wait([shim.exited], timeout=0.3)
        assert not done  # the program waits for the slow reader
        output = (await (await Client.open(slow_ours)).frames())[1]
        assert len(output) == 3000004
        assert (await shim.exited).code == 0

    play(tmp_path, scene)


def test_sandboxes_with_the_hosts_or_another_containers_namespaces(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        host = ("pid", "ipc", "mount", "uts", "cgroup")
        slot = await harness.slot(namespaces=host)
        assert (slot.netns_fd, slot.netlink_fd) == (-1, -1)
        request = harness.request("/bin/readlink", "/proc/self/ns/net", namespaces=host)
        shim = await harness.start(request, slot=slot)
        assert (await shim.exited).code == 0
        assert harness.log(request).strip() == os.readlink("/proc/self/ns/net")

        other = await harness.start(harness.request("/bin/sleep", "100"))
        fds = {
            kind: os.open(f"/proc/{other.pid}/ns/{name}", os.O_RDONLY)
            for kind, name in (("network", "net"), ("pid", "pid"))
        }
        slot = await harness.slot(namespaces=("ipc", "mount", "uts", "cgroup"), join=fds)
        request = harness.request(
            "/bin/sh", "-c", "readlink /proc/self/ns/net; kill -0 1 && echo sees",
            namespaces=("ipc", "mount", "uts", "cgroup"),
        )  # fmt: skip
        shim = await harness.start(request, slot=slot)
        assert (await shim.exited).code == 0
        assert harness.log(request) == os.readlink(f"/proc/{other.pid}/ns/net") + "\nsees\n"
        for fd in fds.values():
            os.close(fd)
        await other.signal(signal.SIGKILL)
        await other.released

    play(tmp_path, scene)


def test_leftovers_of_a_container_in_the_hosts_pid_namespace_are_killed(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        spaces = ("ipc", "mount", "uts", "cgroup", "network")
        slot = await harness.slot(namespaces=spaces)
        request = harness.request("/bin/sh", "-c", "sleep 1000 & echo $!", namespaces=spaces)
        shim = await harness.start(request, slot=slot)
        assert (await asyncio.wait_for(shim.exited, 10)).code == 0
        await asyncio.wait_for(shim.released, 10)
        assert not Path(f"/proc/{int(harness.log(request))}").exists()

    play(tmp_path, scene)


def test_a_container_can_start_again_at_once(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        released = []
        for number in range(5):
            slot = await harness.slot()
            shim = await harness.start(harness.request("/bin/sh", "-c", f"exit {number}", name="again"), slot=slot)
            assert (await shim.exited).code == number
            released.append(shim.released)
        await asyncio.gather(*released)

    play(tmp_path, scene)


def test_a_user_namespace_of_its_own(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        spaces = (*NAMESPACES, "user")
        slot = await harness.slot(namespaces=spaces, uid_map=maps, gid_map=maps)
        request = harness.request("/bin/sh", "-c", "id -u; cat /proc/self/uid_map", namespaces=spaces)
        request["plan"]["spec"]["linux"] |= {"uidMappings": maps, "gidMappings": maps}
        shim = await harness.start(request, slot=slot)
        assert (await shim.exited).code == 0
        assert harness.log(request).split() == ["0", "0", "100000", "65536"]

    play(tmp_path, scene)


def test_a_container_does_not_inherit_the_engines_protection_from_the_oom_killer(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        assert await harness.run("/bin/cat", "/proc/self/oom_score_adj") == (0, "0\n")

    own = Path("/proc/self/oom_score_adj")
    before = own.read_text()
    try:
        own.write_text("-10")
    except PermissionError:
        pytest.skip("lowering oom_score_adj needs CAP_SYS_RESOURCE")
    try:
        play(tmp_path, scene)
    finally:
        own.write_text(before)


def test_the_null_device_of_a_container_is_not_the_hosts(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        before = os.stat("/dev/null")
        code, text = await harness.run(
            "/bin/sh", "-c", "chmod 000 /proc/self/fd/0 && stat -L -c %t:%T:%a /proc/self/fd/0"
        )
        assert (code, text) == (0, "1:3:0\n")
        assert os.stat("/dev/null").st_mode == before.st_mode

    play(tmp_path, scene)


def test_a_late_client_sees_the_end_and_a_paused_container_takes_no_exec(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sleep", "1000")
        shim = await harness.start(request)
        await shim.exec("e", harness.exec_request("/bin/true"), [])
        await shim.exec_exited("e")
        ours, theirs = socket.socketpair()
        await shim.attach(theirs, stdin=True, stdout=True, stderr=True, exec_id="e")
        assert await (await Client.open(ours)).frames() == {}
        await shim.pause()
        with pytest.raises(StartFailed, match="paused"):
            await shim.exec("p", harness.exec_request("/bin/true"), [])
        await shim.resume()
        await shim.signal(signal.SIGKILL)
        await shim.exited

    play(tmp_path, scene)


def test_the_zygote_makes_user_namespaces_that_nobody_is_in(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        extents: list[IdMapping] = [{"containerID": 0, "hostID": 5000, "size": 10}]
        space = await harness.zygote.user_namespace(extents, extents)
        (tmp_path / "file").touch()
        tree = idmap.clone(LINUX, str(tmp_path), space)
        assert os.stat("file", dir_fd=tree).st_uid == 5000
        with pytest.raises(OSError, match="Invalid argument"):
            await harness.zygote.user_namespace([*extents, *extents], extents)
        assert (await harness.run("/bin/true"))[0] == 0
        for fd in (tree, space):
            os.close(fd)

    play(tmp_path, scene)
