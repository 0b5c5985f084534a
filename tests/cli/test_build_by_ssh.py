"""Repositories behind a real sshd: who is let in, and which servers are believed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.buildx import Buildx
from tests.cli.host_ports import free_port
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.clients import packages
from tests.fakes.elsewhere import Repository

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("ssh-agent"), reason="OpenSSH's client is not installed"),
]
_SETTINGS = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/mine.pub
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
_IN_PLACE = """
mount -t tmpfs none /run && mkdir /run/sshd
grep -q ^sshd: /etc/passwd || {  # as its package makes it
    cat /etc/passwd > /run/passwd && echo sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin >> /run/passwd
    mount --bind /run/passwd /etc/passwd
}
exec "$0" -D -e -f "$1"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """``address`` of a repository; ``agents`` with its key and with none, by their sockets; ``host``: its own key."""

    port: int
    address: str
    agents: dict[str, str]
    host: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("ssh"), free_port()
    for name in ("host", "mine"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "settings").write_text(_SETTINGS.format(port=port, folder=folder))
    Repository(folder / "r.git").commit({"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "by ssh"})
    agents = {name: str(folder / f"{name}.sock") for name in ("full", "empty")}
    try:
        program, libraries = packages.sshd()
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))
    commands = [["unshare", "--mount", "sh", "-c", _IN_PLACE, str(program), str(folder / "settings")]]
    commands += [["ssh-agent", "-D", "-a", sock] for sock in agents.values()]
    with (folder / "log").open("wb") as log:
        running = [
            subprocess.Popen(
                words, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
            )
            for words in commands
        ]  # fmt: skip
    try:
        eventually(lambda: all(map(os.path.exists, agents.values())))
        lent = {**os.environ, "SSH_AUTH_SOCK": agents["full"]}
        subprocess.run(["ssh-add", "-q", folder / "mine"], env=lent, check=True)
        eventually(lambda: _answers(port))
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        yield Server(port, f"ssh://root@127.0.0.1:{port}{folder}/r.git", agents, key)
    finally:
        for each in running:
            each.terminate()
            each.wait()


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_a_context_by_the_user_s_agent(
    daemon: DaemonProcess, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrack = CommandLine("carrack", daemon)
    words = ("build", "-o", f"type=local,dest={tmp_path}/out", server.address)
    monkeypatch.setenv("SSH_AUTH_SOCK", server.agents["full"])
    carrack(*words)
    assert (tmp_path / "out" / "f").read_text() == "by ssh"
    assert "Check complete, no warnings found" in carrack("build", "--check", server.address).stdout
    monkeypatch.setenv("SSH_AUTH_SOCK", server.agents["empty"])
    assert "Permission denied (publickey)" in carrack(*words, check=False).stderr
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert 'no SSH key "default" forwarded from the client' in carrack(*words, check=False).stderr


def test_servers_that_are_believed(buildx: Buildx, server: Server, tmp_path: Path) -> None:
    text = f"FROM scratch\nADD {server.address} /r/\n"
    policy = tmp_path / "policy.json"
    env = {"SSH_AUTH_SOCK": server.agents["full"], "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY": str(policy)}
    for key, refused in ((server.host, ""), (f"{server.host[:-4]}AAAA", "REMOTE HOST IDENTIFICATION HAS CHANGED")):
        known = {"git.knownsshhosts": f"[127.0.0.1]:{server.port} {key}"}
        updates = {"identifier": "git://$1", "attrs": known}
        rule = {"action": "CONVERT", "selector": {"identifier": "git://*"}, "updates": updates}
        policy.write_text(json.dumps({"rules": [rule]}))
        done = buildx(text, "--ssh", "default", "--no-cache", check=False, env=env)
        assert (done.returncode, refused in done.stderr) == (1 if refused else 0, True), done.stderr
