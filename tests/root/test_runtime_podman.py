"""carrack-runtime in the hands of another engine: podman with its monitor conmon, its own storage and network."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.fakes.podman import Podman

pytestmark = pytest.mark.root


#: podman update asks for a health check
PROBE = ("--health-cmd", "true", "--health-interval", "disable")


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    made = Podman(tmp_path_factory.mktemp("podman"))
    try:
        yield made
        made("rm", "--all", "--force", "--time", "0")
        left = made.inside("ls", "/run/carrack-runtime").stdout
        assert left == "", f"the runtime still knows {left}"
    finally:
        made.close()


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        (["sh", "-c", "echo hi; exit 7"], 7, "hi\n"),
        (["nosuch"], 127, "executable file not found in $PATH"),
        (["/etc"], 126, "is a directory"),
    ],
)
def test_codes_and_words_of_a_run(podman: Podman, program: list[str], code: int, words: str) -> None:
    assert words in podman.run(*program, options=("--rm",), code=code)


def test_the_life_of_a_container(podman: Podman) -> None:
    script = "trap 'echo term; exit 3' TERM; echo started; while true; do sleep 0.05; done"
    options = ("--detach", "--name", "life", "--memory", "64m", "--pids-limit", "50", *PROBE)
    podman.run("sh", "-c", script, options=options)
    assert podman("exec", "life", "sh", "-c", "echo out; exit 5", code=5) == "out\n"
    assert "executable file not found" in podman("exec", "life", "nosuch", code=127)
    words = podman("exec", "-u", "1000", "-w", "/tmp", "-e", "X=1", "life", "sh", "-c", "id -u; pwd; echo $X")
    assert words.split() == ["1000", "/tmp", "1"]
    podman("pause", "life")
    assert podman("inspect", "--format", "{{.State.Status}}", "life") == "paused\n"
    podman("unpause", "life")
    podman("update", "--pids-limit", "60", "life")
    found = podman(
        "exec", "life", "sh", "-c", "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true"
    )
    assert found == "60\n"
    assert json.loads(podman("stats", "--no-stream", "--format", "json", "life"))[0]["pids"] != "0"
    podman("stop", "--time", "10", "life")
    assert podman("wait", "life") == "3\n"
    assert podman("logs", "life") == "started\nterm\n"
    podman("start", "life")
    podman("kill", "life")
    assert podman("wait", "life") == "137\n"
    podman("rm", "life")


def test_terminals_are_handed_to_the_monitor(podman: Podman) -> None:
    assert podman.run("sh", "-c", "tty", options=("--rm", "--tty")) == "/dev/pts/0\r\n"
    podman.run("sleep", "600", options=("--detach", "--name", "terminal"))
    assert podman("exec", "--tty", "terminal", "sh", "-c", "test -t 1 && echo yes") == "yes\r\n"
    podman("rm", "--force", "--time", "0", "terminal")


def test_containers_share_namespaces(podman: Podman) -> None:
    podman.run("sleep", "600", options=("--detach", "--name", "first"))
    wanted = podman("exec", "first", "readlink", "/proc/self/ns/net")
    options = ("--rm", "--network", "container:first", "--pid", "container:first")
    seen = podman.run("sh", "-c", "readlink /proc/self/ns/net; cat /proc/1/cmdline", options=options)
    assert seen == wanted + "sleep\x00600\x00"
    podman("rm", "--force", "--time", "0", "first")


def test_a_full_container_is_killed_and_that_is_told(podman: Podman) -> None:
    options = ("--name", "full", "--memory", "24m", "--memory-swap", "24m")
    podman.run("sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1", options=options, code=137)
    assert podman("inspect", "--format", "{{.State.OOMKilled}}", "full") == "true\n"
    podman("rm", "full")
