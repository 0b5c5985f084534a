"""``exec``: more processes in a running container."""

from __future__ import annotations

import pytest
from tests.cli.running import Cli, eventually

pytestmark = pytest.mark.root


@pytest.fixture
def box(cli: Cli, image: str) -> str:
    cli("run", "-d", "--name", "box", "-e", "A=1", image, "sleep", "100")
    return "box"


@pytest.mark.census(
    "POST /containers/{id}/exec AttachStdin",
    "POST /containers/{id}/exec AttachStdout",
    "POST /containers/{id}/exec AttachStderr",
    "POST /containers/{id}/exec Cmd",
)
def test_output_input_and_code(cli: Cli, box: str) -> None:
    done = cli("exec", box, "sh", "-c", "echo out; echo err >&2; exit 6", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (6, "out\n", "err\n")
    assert cli("exec", "-i", box, "wc", "-c", stdin="x" * 200_000).stdout.strip() == "200000"


def test_who_and_where(cli: Cli, box: str) -> None:
    done = cli("exec", "-u", "nobody", "-w", "/tmp", "-e", "B=2", box, "sh", "-c", "id -un; pwd; echo $A $B")
    assert done.stdout == "nobody\n/tmp\n1 2\n"


def test_detached(cli: Cli, box: str) -> None:
    assert cli("exec", "-d", box, "sh", "-c", "echo made > /tmp/made").stdout == ""
    eventually(lambda: cli("exec", box, "cat", "/tmp/made", check=False).stdout == "made\n")


def test_on_a_terminal(cli: Cli, box: str) -> None:
    steps = [(b"# ", b"sleep 0.3; stty size; tty; exit 9\n")]
    output, code = cli.on_terminal(["exec", "-it", box, "sh"], list(steps))
    assert code == 9
    assert b"33 101" in output
    assert b"/dev/pts/" in output


@pytest.mark.docker_28
def test_refusals(cli: Cli, image: str, box: str) -> None:
    missing = cli("exec", box, "nosuch", check=False)
    assert missing.returncode == 127
    assert "executable file not found" in missing.stderr + missing.stdout
    cli("create", "--name", "still", image)
    stopped = cli("exec", "still", "true", check=False)
    assert stopped.returncode == 1
    assert "is not running" in stopped.stderr
    nobody = cli("exec", "nosuch", "true", check=False)
    assert (nobody.returncode, nobody.stderr) == (1, "Error response from daemon: No such container: nosuch\n")
