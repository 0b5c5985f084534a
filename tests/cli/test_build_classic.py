"""What docker's classic command says beside the build itself, and ours too: how the context travels, what stays."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.cli.built import forget_builds
from tests.cli.running import Cli, CommandLine, DaemonProcess
from tests.fakes.registry import FakeRegistry

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def cleared(docker: Cli, daemon: DaemonProcess, image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    yield
    forget_builds(daemon, docker, image)


def marked(*flags: str) -> pytest.MarkDecorator:
    return pytest.mark.census(*(f"{verb} --{flag}" for flag in flags for verb in ("image build", "builder build")))


class Between:
    """A socket before the daemon's that counts what clients send."""

    def __init__(self, place: Path, behind: Path) -> None:
        self.sent = 0
        self._behind = behind
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(place))
        self._listening.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, daemon = self._listening.accept()[0], socket.socket(socket.AF_UNIX)
                daemon.connect(str(self._behind))
                for pair in ((client, daemon, True), (daemon, client, False)):
                    self._threads.append(threading.Thread(target=self._copy, args=pair))
                    self._threads[-1].start()

    def _copy(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.sent += len(data) * counted
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        if not counted:
            source.close()
            target.close()


@contextmanager
def counted(cli: Cli, place: Path) -> Iterator[Between]:
    between = Between(place, cli.daemon.socket)
    try:
        yield between
    finally:
        between.close()


@marked("compress")
@pytest.mark.parametrize("files", [1, 80], ids=["whole", "by list"])
def test_a_context_is_sent_as_gzip(cli: Cli, files: int, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nCOPY . /c\nRUN cat /c/f0 | wc -c; ls /c | wc -l\n")
    sent = []
    for words in ([], ["--compress"]):
        for number in range(files):
            (context / f"f{number}").write_text(f"{words}" * 20_000)
        with counted(cli, tmp_path / f"s{len(words)}") as between:
            shown = cli("-H", f"unix://{tmp_path}/s{len(words)}", "build", *words, str(context)).stdout
        assert f"\n{len(str(words)) * 20_000}\n{files + 1}\n" in shown
        sent.append(between.sent)
    plain, packed = sent
    assert plain > files * 40_000
    assert packed < plain / 4


@marked("rm", "force-rm", "disable-content-trust")
@pytest.mark.census("POST /build?rm", "POST /build?forcerm")
def test_no_container_stays(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo > /x\nRUN exit 7\n")
    for words in (["--rm"], ["--force-rm"], ["--disable-content-trust"]):
        assert cli("build", *words, str(tmp_path), check=False).returncode != 0
        assert cli("ps", "-aq").stdout == ""
    containers = cli.daemon.root / "data" / "containers"
    assert not containers.exists() or list(containers.iterdir()) == []
    if cli.name == "carrack":
        assert "`builds logs`" in cli("build", "--rm=false", str(tmp_path), check=False).stderr
        refused = cli("build", "--disable-content-trust=false", str(tmp_path), check=False)
        assert "signatures of Docker Content Trust are obsolete" in refused.stderr


def test_what_is_built_is_pushed(daemon: DaemonProcess, docker: Cli, tmp_path: Path) -> None:
    ours = CommandLine("carrack", daemon)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with FakeRegistry() as registry:
        names = [f"{registry.host}/app:1", f"{registry.host}/app:2"]
        words = ["-q", "--push", "--load", "-t", names[0], "-t", names[1], "--platform", "linux/amd64,linux/arm64"]
        shown = ours("build", *words, str(tmp_path)).stdout
        assert shown == docker("inspect", "-f", "{{.Id}}", names[0]).stdout
        tags = registry.content.tags["app"]
        assert tags.keys() == {"1", "2"}
        told = docker("inspect", "-f", "{{.RepoDigests}}", names[0]).stdout
        assert {f"{registry.host}/app@{digest}" for digest in tags.values()} == {told.strip("[]\n")}
    for words, told in (
        (["--push"], "give one with --tag"),
        (["--push", "-o", "x"], "leave out --push"),
        (["--load", "-o", "x"], "--load"),
    ):
        assert told in ours("build", *words, str(tmp_path), check=False).stderr


def test_secrets(daemon: DaemonProcess, docker: Cli, tmp_path: Path) -> None:
    """They are there for the step that asks for them, and neither in the image nor on record."""
    ours = CommandLine("carrack", daemon)
    (tmp_path / "token").write_text("of a file\n" + "x" * 20_000)
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=secret,id=token --mount=type=secret,id=home,env=PLACE,required \\\n"
        " head -1 /run/secrets/token; echo at $PLACE; wc -c < /run/secrets/token; ls /run/secrets\n"
    )
    words = ["--secret", f"id=token,src={tmp_path}/token", "--secret", "id=home,env=DOCKER_HOST", "-t", "kept:1"]
    shown = ours("build", *words, str(tmp_path)).stdout
    assert f"of a file\nat unix://{daemon.socket}\n20010\ntoken\n" in shown
    for told in (docker("history", "--no-trunc", "kept:1"), ours("builds", "inspect", "--json")):
        assert "of a file" not in told.stdout
    failed = ours("build", "--no-cache", str(tmp_path), check=False)
    assert "secret home: not found" in failed.stderr


def test_a_base_that_is_here_for_another_platform(
    daemon: DaemonProcess, docker: Cli, image: str, tmp_path: Path
) -> None:
    """Docker's classic builder takes it all the same; BuildKit, and so our command, looks for a fitting one."""
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nCOPY --from={image} /bin/busybox /b\nRUN uname -m\n")
    words = ("build", "--platform", "linux/arm64", "-t", "arch:1", str(tmp_path))
    shown = docker(*words)
    assert (os.uname().machine + "\n" in shown.stdout, "arning" in shown.stdout) == (True, False)
    assert (
        docker("inspect", "-f", "{{.Architecture}}", "arch:1").stdout
        == docker("inspect", "-f", "{{.Architecture}}", image).stdout
    )
    docker("rmi", "arch:1")
    refused = CommandLine("carrack", daemon)(*words, check=False)
    assert (refused.returncode, "failed to resolve source metadata for" in refused.stderr) == (1, True)
