"""CVE-2019-5736: a container overwrites the host's interpreter through /proc/PID/exe of what enters it.

Every process of ours that enters a container is executed from a read-only mount, so a descriptor got through /proc
can never be written to: "text file busy" while somebody runs it would be luck, "read-only file system" is the seal.
"""

import asyncio
import errno
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.root.shim_harness import Client, Harness, play

from carrack.shim import seal
from carrack.shim.client import StartFailed

pytestmark = pytest.mark.root

ATTACKER = """
while true; do
  for p in /proc/[0-9]*; do
    [ "$p" = /proc/1 ] && continue
    if (exec 3>>$p/exe) 2>/dev/null; then echo opened $(readlink $p/exe); fi
  done
done
"""


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_two_hundred_execs_under_attack_leave_the_interpreter_as_it_was(tmp_path: Path) -> None:
    interpreter = seal.interpreter(sys.executable)
    before = digest(interpreter)

    async def scene(harness: Harness) -> None:
        request = harness.request("/bin/sh", "-c", ATTACKER)
        privileged = {
            name: [*harness.process("x")["capabilities"]["bounding"], "CAP_SYS_PTRACE"]
            for name in ("bounding", "effective", "permitted")
        }
        request["plan"]["spec"]["process"]["capabilities"] = privileged
        shim = await harness.start(request)
        for number in range(200):
            if number % 10:
                await shim.exec(f"e{number}", harness.exec_request("/bin/true"), [])
                await shim.exec_exited(f"e{number}")
            else:  # our interpreter finds no loader in this root; what matters is that it was tried
                with pytest.raises(StartFailed):
                    await shim.exec(f"e{number}", harness.exec_request("/proc/self/exe"), [])
        await shim.signal(signal.SIGKILL)
        await shim.released
        opened = {line for line in harness.log(request).splitlines() if "python" in line}
        assert not opened

    play(tmp_path, scene)
    assert digest(interpreter) == before


def test_what_is_reached_through_proc_stays_read_only_after_the_last_user_has_gone(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        slot = await harness.slot()
        held = os.open(f"/proc/{slot.init_pid}/exe", os.O_RDONLY | os.O_PATH)
        try:
            await slot.discard()
            os.kill(harness.zygote.pid, signal.SIGKILL)
            await harness.zygote.exited
            with pytest.raises(OSError, match="Read-only") as refused:
                os.close(os.open(f"/proc/self/fd/{held}", os.O_WRONLY))
            assert refused.value.errno == errno.EROFS
            assert os.fstatvfs(held).f_flag & os.ST_RDONLY
        finally:
            os.close(held)

    python = tmp_path / "python3"  # a copy, so that it has no other user
    shutil.copy(seal.interpreter(sys.executable), python)
    play(tmp_path, scene, str(python))


def test_libraries_and_our_own_code_are_sealed_too(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        slot = await harness.slot()
        mapped = {
            line.split(maxsplit=5)[5].strip()
            for line in Path(f"/proc/{slot.init_pid}/maps").read_text().splitlines()
            if "/" in line
        }
        files = [*(name for name in mapped if name.startswith("/") and "deleted" not in name), seal.__file__]
        assert any("libc" in name for name in files)
        root = f"/proc/{harness.zygote.pid}/root"
        for name in files:
            assert os.statvfs(root + name).f_flag & os.ST_RDONLY, name
        await slot.discard()

    play(tmp_path, scene)


def test_a_stub_cannot_be_looked_into_from_an_unprivileged_process(tmp_path: Path) -> None:
    async def scene(harness: Harness) -> None:
        slot = await harness.slot()
        script = f"import os; os.setuid(65534); os.readlink('/proc/{slot.init_pid}/exe')"
        look = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], capture_output=True, check=False)
        assert b"PermissionError" in look.stderr
        await slot.discard()

    play(tmp_path, scene)


def test_a_zygote_without_a_seal_refuses_to_run() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    launcher = Path(seal.__file__).with_name("__main__.py")
    with ours, theirs:
        command = [sys.executable, *seal.INTERPRETER_FLAGS, str(launcher), "zygote", str(theirs.fileno())]
        result = subprocess.run(command, pass_fds=[theirs.fileno()], capture_output=True, check=False)
    assert result.returncode == 1
    assert b"sealed" in result.stderr


def test_an_exec_of_the_entering_process_itself_is_the_containers_own_program(tmp_path: Path) -> None:
    """The classic lure: #!/proc/self/exe. What runs is the container's file, never ours."""

    async def scene(harness: Harness) -> None:
        lure = harness.root / "bin/lure"
        lure.write_text("#!/proc/self/exe\n")
        lure.chmod(0o755)
        shim = await harness.start(harness.request("/bin/sleep", "1000"))
        ours, theirs = socket.socketpair()
        request = harness.exec_request("/bin/lure", attach=[{"fd": 0, "stdout": True, "stderr": True}])
        with theirs, pytest.raises(StartFailed, match="exec"):
            await shim.exec("lure", request, [theirs.fileno()])
        output = b"".join((await (await Client.open(ours)).frames()).values())
        assert b"Python" not in output
        await shim.signal(signal.SIGKILL)
        await shim.released

    play(tmp_path, scene)
