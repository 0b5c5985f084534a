"""Git repositories, fetched by the git program: it reads no configuration but ours, asks nobody anything, runs no hook
and speaks no other protocol. One commit comes, without its history, with its submodules."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from carrack.engine.build import giturl
from carrack.engine.whole import in_thread, made, whole
from carrack.errors import InvalidArgument, NotSupported, redacted
from carrack.linux.resolve import BENEATH_NO_SYMLINKS
from carrack.linux.syscalls import LINUX
from carrack.storage.trees.folder import FolderTree

if TYPE_CHECKING:
    from carrack.engine.build.request import Agents

_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false", "GIT_ALLOW_PROTOCOL": ":".join(giturl.PROTOCOLS), "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C.UTF-8",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
}  # fmt: skip
_SAFE = ["-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never", "-c", "core.fsmonitor=false"]


class Checkouts:
    """``room``: where repositories lie for the time of a build; ``proxies`` as RegistrySettings has them."""

    def __init__(self, room: Path, proxies: Mapping[str, str]) -> None:
        self._room = room
        self._proxies = proxies

    def sweep(self) -> None:
        """Remove what a daemon that died has left."""
        shutil.rmtree(self._room, ignore_errors=True)

    async def open(
        self, wanted: giturl.GitSource, keep: bool, agents: Agents, held: AsyncExitStack
    ) -> tuple[FolderTree, str]:
        """The files of a repository (or of its folder) until ``held`` ends, with their ``.git`` if that is to be kept;
        and the commit.

        Raises InvalidArgument for what is not there, NotSupported without git."""
        shown = redacted(wanted.url)
        if shutil.which("git") is None:
            raise NotSupported(f"{shown}: install git on the daemon's machine to build from repositories")
        place = await made(self._new_room, _remove)
        held.push_async_callback(in_thread, _remove, place)
        async with AsyncExitStack() as lent:
            who = await _identity(wanted, agents, lent)
            direct = ",".join(filter(None, (self._proxies.get("no_proxy"), "localhost,127.0.0.1,::1")))
            git = _Git(place, {**self._proxies, "no_proxy": direct, **who})
            commit = await _fetch(git, wanted)
        if wanted.checksum and not commit.startswith(wanted.checksum):
            raise InvalidArgument(f"{shown}: the commit is {commit}, {wanted.checksum} was expected")
        if not keep:
            await asyncio.to_thread(_forget, place)
        tree = await made(lambda: _tree(place, wanted.folder), FolderTree.close)
        held.callback(tree.close)
        return tree, commit

    def _new_room(self) -> Path:
        self._room.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="git-", dir=self._room))


class _Git:
    def __init__(self, place: Path, more: Mapping[str, str]) -> None:
        self._place = place
        self._env = {**more, **_GIT, "HOME": str(place), "PATH": os.defpath}

    async def run(self, *words: str) -> str:
        """What it prints. Raises InvalidArgument with the last of what it told when it fails."""
        process = await asyncio.create_subprocess_exec(
            "git", *_SAFE, *words, cwd=self._place, env=self._env,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            out, told = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the helpers that talk to servers
            await whole(process.wait())
            raise
        if process.returncode:
            raise InvalidArgument(f"git {words[0]} failed: {told.decode(errors='replace').strip()[-500:]}")
        return out.decode()


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


async def _identity(wanted: giturl.GitSource, agents: Agents, lent: AsyncExitStack) -> dict[str, str]:
    """The variables by which git is let in: the client's ssh agent, or its secret GIT_AUTH_TOKEN or GIT_AUTH_HEADER,
    those of the host before those of all. Source: Docker build documentation, "Build secrets"."""
    parts = urlsplit(wanted.url)
    if parts.scheme not in ("http", "https"):
        agent = None if parts.scheme == "git" else await lent.enter_async_context(agents.ssh("default"))
        return {"SSH_AUTH_SOCK": agent} if agent else {}
    for suffix in (f".{parts.hostname}", ""):
        header = await agents.secret(f"GIT_AUTH_HEADER{suffix}")
        if not header and (token := await agents.secret(f"GIT_AUTH_TOKEN{suffix}")):
            header = b"basic " + base64.b64encode(b"x-access-token:" + token.strip())
        if header:
            key = f"http.{parts.scheme}://{parts.netloc}/.extraheader"
            value = f"Authorization: {header.decode(errors='replace').strip()}"
            return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": value}
    return {}


async def _fetch(git: _Git, wanted: giturl.GitSource) -> str:
    """Fetch one commit; returns it."""
    await git.run("init", "-q", "--template=")
    await git.run("config", "remote.origin.url", wanted.url)  # what submodules with relative addresses are relative to
    try:
        await git.run("fetch", "-q", "--depth=1", "--no-tags", "--", wanted.url, wanted.ref or "HEAD")
    except InvalidArgument as error:
        if giturl.shortened(wanted.ref):
            raise InvalidArgument(f"{error}: a commit is named by all the characters that its name has") from error
        raise
    await git.run("checkout", "-q", "--detach", "FETCH_HEAD")
    if wanted.submodules:
        await git.run("submodule", "-q", "update", "--init", "--recursive", "--depth=1")
    return (await git.run("rev-parse", "HEAD")).strip()


def _forget(place: Path) -> None:
    """Remove what is git's own, also of submodules; no file of a repository can be called so."""
    shutil.rmtree(place / ".git")
    for folder, _, names in os.walk(place):
        if ".git" in names:
            os.unlink(os.path.join(folder, ".git"))


def _tree(place: Path, folder: str) -> FolderTree:
    top = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if not folder:
        return FolderTree(LINUX, top)
    try:
        inside = LINUX.openat2(top, folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, BENEATH_NO_SYMLINKS)
    except OSError as error:
        raise InvalidArgument(f"the folder {folder!r} is not in the repository: {error.strerror}") from error
    finally:
        os.close(top)
    return FolderTree(LINUX, inside)
