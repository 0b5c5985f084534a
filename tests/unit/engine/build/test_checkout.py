"""Repositories as git fetches them; more of it in test_fetching."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.server
import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.building import NoAgents
from tests.fakes.elsewhere import Repository, git_daemon, web

from carrack.engine.build import giturl
from carrack.engine.build.checkout import Checkouts, Unresolved, _chosen, _Found, _identity, _ssh
from carrack.errors import InvalidArgument
from carrack.storage.trees.base import walk


class Has(NoAgents):
    """See Agents: one with secrets and an agent."""

    def __init__(self, **secrets: bytes) -> None:
        self._secrets = secrets

    async def secret(self, name: str) -> bytes | None:
        return self._secrets.get(name.replace(".", "_"))

    @asynccontextmanager
    async def ssh(self, name: str) -> AsyncIterator[str | None]:
        yield f"/agent/{name}"


def checked_out(folder: Path, source: str, *, keep: bool = False) -> list[str]:
    """The names of what a repository gives."""

    async def run() -> list[str]:
        checkouts = Checkouts(folder, {"http_proxy": "http://127.0.0.1:1"})
        async with AsyncExitStack() as held:
            tree, _ = await checkouts.open(giturl.parse(source), keep, NoAgents(), held)
            return [os.fsdecode(entry.path) for entry in walk(tree, b"")]

    found = asyncio.run(run())
    assert list(folder.iterdir()) == []
    return found


def test_submodules(tmp_path: Path) -> None:
    with git_daemon(tmp_path / "repos") as address:
        inner, outer = (Repository(tmp_path / "repos" / name) for name in ("inner", "outer"))
        inner.commit({"f": "1"})
        outer.commit({"g": "2", ".gitmodules": '[submodule "m"]\n\tpath = m\n\turl = ../inner\n'})
        outer.git("update-index", "--add", "--cacheinfo", f"160000,{inner.git('rev-parse', 'HEAD')},m")
        outer.git("commit", "-q", "-m", "with a submodule")
        assert checked_out(tmp_path / "room", f"{address}/outer") == [".gitmodules", "g", "m", "m/f"]
        kept = checked_out(tmp_path / "room", f"{address}/outer", keep=True)
        assert {".git/HEAD", "m/.git"} <= set(kept)
        assert checked_out(tmp_path / "room", f"{address}/outer?submodules=false") == [".gitmodules", "g", "m"]


def test_submodules_of_this_machine_are_not_fetched(tmp_path: Path) -> None:
    with git_daemon(tmp_path / "repos") as address:
        secret, outer = Repository(tmp_path / "secret"), Repository(tmp_path / "repos" / "outer")
        secret.commit({"f": "1"})
        outer.commit({".gitmodules": f'[submodule "m"]\n\tpath = m\n\turl = {secret.place}\n'})
        outer.git("update-index", "--add", "--cacheinfo", f"160000,{secret.git('rev-parse', 'HEAD')},m")
        outer.git("commit", "-q", "-m", "with a submodule")
        with pytest.raises(InvalidArgument, match="failed to update submodules"):
            checked_out(tmp_path / "room", f"{address}/outer")
    assert list((tmp_path / "room").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "secrets", "expected"),
    [
        ("https://h/r.git", {}, ""),
        ("https://h/r.git", {"GIT_AUTH_TOKEN": b"t\n"}, base64.b64encode(b"x-access-token:t").decode()),
        ("https://h/r.git", {"GIT_AUTH_TOKEN": b"t", "GIT_AUTH_HEADER_h": b"Bearer own"}, "Bearer own"),
        ("git://h/r.git", {"GIT_AUTH_TOKEN": b"t"}, ""),
        ("ssh://git@h/r.git", {}, "/agent/default"),
    ],
)
def test_who_is_let_in(url: str, secrets: dict[str, bytes], expected: str) -> None:
    async def run() -> dict[str, str]:
        async with AsyncExitStack() as lent:
            return await _identity(giturl.parse(url), Has(**secrets), lent)

    found = asyncio.run(run())
    assert bool(found) == bool(expected)
    assert not found or any(value.endswith(expected) for value in found.values())
    if "GIT_CONFIG_KEY_0" in found:
        assert found["GIT_CONFIG_KEY_0"] == "http.https://h/.extraheader"


def test_nobody_is_let_in_by_keys_of_this_machine() -> None:
    async def run() -> None:
        async with AsyncExitStack() as lent:
            await _identity(giturl.parse("git@h:r.git"), NoAgents(), lent)

    with pytest.raises(InvalidArgument, match='no SSH key "default" forwarded from the client'):
        asyncio.run(run())


_FAKE_SSH = """#!/bin/sh
for word; do
    echo "$word"
    case $word in UserKnownHostsFile=*) cat "$(echo "${{word#*=}}" | tr -d '"')" ;; esac
done >>{log}
echo "agent $SSH_AUTH_SOCK, home $HOME" >>{log}
exec sh -c "$word"
"""


@pytest.mark.parametrize("given", ["", "[h]:2222 ssh-ed25519 AAAA"])
def test_by_ssh_it_goes_as_nobody_of_this_machine(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, log, room = Repository(tmp_path / "r"), tmp_path / "log", tmp_path / "its room"
    made.commit({"f": "1"})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(_FAKE_SSH.format(log=log))
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setattr(os, "defpath", f"{tmp_path / 'bin'}:{os.defpath}")
    wanted = replace(giturl.parse(f"ssh://me@h:2222{made.place}"), known_hosts=given)

    async def run() -> list[str]:
        async with AsyncExitStack() as held:
            tree, _ = await Checkouts(room, {}).open(wanted, False, Has(), held)
            return [os.fsdecode(entry.path) for entry in walk(tree, b"")]

    assert asyncio.run(run()) == ["f"]
    assert list(room.iterdir()) == []
    said = log.read_text().splitlines()
    assert {"me@h", "2222", "agent /agent/default, home /dev/null", given} <= set(said)
    words = said[: said.index("me@h")]
    known = next(word for word in words if word.startswith("UserKnownHostsFile="))
    assert known.startswith(f'UserKnownHostsFile="{room}/git-')
    assert words[:2] == ["-F", "/dev/null"]
    assert {"BatchMode=yes", "IdentityFile=none"} <= set(words)
    assert f"StrictHostKeyChecking={'yes' if given else 'accept-new'}" in words
    assert ("GlobalKnownHostsFile=/dev/null" in words) is bool(given)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
def test_what_openssh_makes_of_its_words(tmp_path: Path) -> None:
    """Its own keys would be those of the user's home, whatever HOME is."""
    known = tmp_path / "50% of it"
    words = shlex.split(_ssh(known, ""))
    done = subprocess.run([*words, "-G", "h"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {f"userknownhostsfile {tmp_path}/50% of it", "stricthostkeychecking accept-new", "batchmode yes"} <= set(
        done
    )
    assert [line for line in done if line.startswith("identityfile")] == ["identityfile none"]
    assert "forwardagent no" in done


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    """Nothing of git is left when nobody waits any more, nor of its helpers."""

    async def run() -> None:
        server = await asyncio.start_server(_silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wanted = giturl.parse(f"http://127.0.0.1:{port}/r.git")
        async with server, AsyncExitStack() as held:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await Checkouts(tmp_path / "room", {}).open(wanted, False, NoAgents(), held)

    asyncio.run(run())
    assert list((tmp_path / "room").iterdir()) == []
    end = time.monotonic() + 20
    while left := _inside(tmp_path):
        assert time.monotonic() < end, left
        time.sleep(0.01)


def _inside(folder: Path) -> list[str]:
    """The working directories of processes in a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/cwd"))
    return [place for place in found if place.startswith(str(folder))]


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def test_a_branch_goes_before_a_tag_and_a_tag_is_compared_as_both() -> None:
    listed = "1\trefs/heads/b\n2\trefs/tags/b\n3\trefs/tags/b^{}\n"
    assert _chosen(listed, "b", "1") == _Found("refs/heads/b", "refs/heads/b", "1")
    assert _chosen(listed, "refs/tags/b", "3") == _Found("refs/tags/b", "refs/tags/b", "2")
    assert _chosen("4\trefs/pull/7/head\n", "pull/7/head", "").ref == "refs/pull/7/head"
    with pytest.raises(Unresolved, match="expected checksum to match 4, got 2 or 3"):
        _chosen(listed, "refs/tags/b", "4")
    with pytest.raises(Unresolved, match=r'does not contain ref b, output: "5\\trefs/heads/a/b\\n"'):
        _chosen("5\trefs/heads/a/b\n", "b", "")


def test_what_is_kept_has_no_passwords_and_what_git_says_is_passed_on(tmp_path: Path) -> None:
    said: list[bytes] = []

    async def run(source: str) -> tuple[str, set[str]]:
        async with AsyncExitStack() as held:
            checkouts = Checkouts(tmp_path / "room", {})
            tree, commit = await checkouts.open(giturl.parse(source), True, NoAgents(), held, said.append)
            names = {os.fsdecode(entry.path) for entry in walk(tree, b"")}
            assert f"url = {source.partition('#')[0]}" in next((tmp_path / "room").glob("*/.git/config")).read_text()
            return commit, names

    with git_daemon(tmp_path / "repos") as address:
        made = Repository(tmp_path / "repos" / "r")
        commit = made.commit({"f": "1"})
        made.git("tag", "-a", "-m", "said", "v1")
        found, names = asyncio.run(run(f"{address}/r#v1"))
        assert found == commit
    assert {".git/refs/tags/v1", ".git/description", "f"} <= names
    assert ".git/FETCH_HEAD" not in names
    told = b"".join(said).decode()
    assert f"{commit}\trefs/tags/v1^{{}}\n" in told
    assert "[new tag]" in told


def test_a_server_of_files_alone(tmp_path: Path) -> None:
    """It gives no part of a history."""
    made = Repository(tmp_path / "work")
    made.commit({"f": "1"})
    first = made.git("rev-parse", "HEAD")
    made.commit({"g": "2"})
    made.git("clone", "-q", "--bare", str(made.place), str(tmp_path / "r.git"))
    subprocess.run(["git", "-c", "safe.directory=*", "update-server-info"], cwd=tmp_path / "r.git", check=True)
    files = {f"/{path.relative_to(tmp_path)}": path for path in (tmp_path / "r.git").rglob("*") if path.is_file()}
    with web({name: path.read_bytes() for name, path in files.items()}) as address:
        assert checked_out(tmp_path / "room", f"{address}/r.git") == ["f", "g"]
        assert checked_out(tmp_path / "room", f"{address}/r.git#{first}") == ["f"]


def test_sha256(tmp_path: Path) -> None:
    place = tmp_path / "repos" / "r"
    with git_daemon(tmp_path / "repos") as address:
        subprocess.run(["git", "init", "-q", "--object-format=sha256", str(place)], check=True)
        (place / "f").write_text("1")
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*"]
        for words in (["add", "f"], ["commit", "-q", "-m", "first"]):
            subprocess.run(["git", *who, *words], cwd=place, check=True)
        assert checked_out(tmp_path / "room", f"{address}/r") == ["f"]


def test_a_secret_is_not_for_whom_the_server_leads_to(tmp_path: Path) -> None:
    """git leaves it out of the first request elsewhere, and sends it with the second."""
    asked: list[tuple[str, str]] = []

    class Leading(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.headers["Host"].partition(":")[0], self.headers.get("Authorization", "")))
            self.send_response(302 if self.headers["Host"].startswith("127.") else 404)
            self.send_header("Location", f"http://localhost:{self.headers['Host'].partition(':')[2]}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    async def run(address: str, agents: NoAgents) -> None:
        async with AsyncExitStack() as held:
            await Checkouts(tmp_path / "room", {}).open(giturl.parse(address), False, agents, held)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Leading) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{served.server_port}/r.git"
        with pytest.raises(InvalidArgument, match="give the address that it leads to"):
            asyncio.run(run(address, Has(GIT_AUTH_TOKEN=b"t")))
        assert {host for host, who in asked if who} == {"127.0.0.1"}
        assert {host for host, _ in asked} == {"127.0.0.1"}
        with pytest.raises(InvalidArgument, match=r"not found|404"):
            asyncio.run(run(address, NoAgents()))
        assert asked[-1] == ("localhost", "")
        served.shutdown()
        thread.join()


def test_passwords_that_a_repository_has_are_not_used(tmp_path: Path) -> None:
    """By a ``.netrc`` it would say who git is where its submodules are."""
    asked: list[str] = []

    class Closed(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with (
        git_daemon(tmp_path / "repos") as address,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Closed) as served,
    ):
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{served.server_port}/r.git"
        made = Repository(tmp_path / "repos" / "r")
        files = {".gitmodules": f'[submodule "m"]\n\tpath = m\n\turl = {url}\n'}
        commit = made.commit({**files, ".netrc": "machine 127.0.0.1 login me password secret\n"})
        made.git("update-index", "--add", "--cacheinfo", f"160000,{commit},m")
        made.git("commit", "-q", "-m", "with a submodule")
        with pytest.raises(InvalidArgument, match="failed to update submodules"):
            checked_out(tmp_path / "room", f"{address}/r")
        served.shutdown()
        thread.join()
    assert set(asked) == {""}
