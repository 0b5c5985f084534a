"""Git repositories, fetched by the git program: it reads no configuration but ours, asks nobody anything, runs no hook
and speaks no other protocol. One commit comes, without its history, with its submodules.

What a reference means, what is kept of git's own and the words of failures are as in BuildKit's source/git/source.go.
By ssh it goes as nobody of this machine: without configuration, with no keys but those of the agent that the client
lends, and knowing hosts by the machine's own file (``/etc/ssh/ssh_known_hosts``) or, where a policy of the client's has
some, by these alone. The key of a host that the file lacks is taken as it comes and holds for that checkout, which is
what BuildKit has of scanning it first; none is kept.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import os
import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
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
    from carrack.engine.build.progress import Said
    from carrack.engine.build.request import Agents

_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false", "GIT_ALLOW_PROTOCOL": ":".join(giturl.PROTOCOLS), "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C.UTF-8",
}  # fmt: skip
_HEX = re.compile("[0-9a-fA-F]+")
_HEADS = "refs/heads/"
_BRANCH = re.compile(r"refs/heads/(\S+)")
_SHA256 = 64  # characters of a commit's name, where they are not sha1's
_PIECE = 1 << 14
_KEPT = 1 << 20  # bytes of what git says that are looked at, and characters that failures tell of them
_MOST = 2000
_MOVED = "The requested URL returned error: 30"
_SSH = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentityFile=none"]
_SAFE = ["-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never", "-c", "core.fsmonitor=false"]


class Unresolved(InvalidArgument):
    """What an address means could not be told: before anything was fetched."""


class Checkouts:
    """``room``: where repositories lie for the time of a build; ``proxies`` as RegistrySettings has them."""

    def __init__(self, room: Path, proxies: Mapping[str, str]) -> None:
        self._room = room
        self._proxies = proxies

    def sweep(self) -> None:
        """Remove what a daemon that died has left."""
        shutil.rmtree(self._room, ignore_errors=True)

    async def open(
        self, wanted: giturl.GitSource, keep: bool, agents: Agents, held: AsyncExitStack, said: Said = lambda _: None
    ) -> tuple[FolderTree, str]:
        """The files of a repository (or of its folder) until ``held`` ends, with their ``.git`` if that is to be kept
        and no folder is meant; and the commit. What git says goes to ``said`` as it comes.

        Raises InvalidArgument for what is not there, Unresolved among it, NotSupported without git."""
        if shutil.which("git") is None:
            raise NotSupported(
                f"{redacted(wanted.url)}: install git on the daemon's machine to build from repositories"
            )
        place = await made(self._new_room, _remove)
        held.push_async_callback(in_thread, _remove, place)
        keep = keep and not wanted.folder
        async with AsyncExitStack() as lent:
            who = await _identity(wanted, agents, lent)
            who["GIT_SSH_COMMAND"] = await asyncio.to_thread(_ssh, _known(place), wanted.known_hosts)
            direct = ",".join(filter(None, (self._proxies.get("no_proxy"), "localhost,127.0.0.1,::1")))
            git = _Git(place, {**self._proxies, "no_proxy": direct, **who}, said)
            commit = await _fetch(git, wanted, await _resolve(git, wanted), keep)
        if keep:
            (place / ".git/FETCH_HEAD").unlink(missing_ok=True)
        else:
            await asyncio.to_thread(_forget, place)
        tree = await made(lambda: _tree(place, wanted.folder), FolderTree.close)
        held.callback(tree.close)
        return tree, commit

    def _new_room(self) -> Path:
        self._room.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="git-", dir=self._room))
        place.chmod(0o755)  # as the top of a checkout is, by which its files are named in caches; the room is closed
        return place


class _Git:
    def __init__(self, place: Path, more: Mapping[str, str], said: Said) -> None:
        self._place = place
        self._said = said
        own = {"HOME": os.devnull, "PATH": os.defpath, "GIT_CEILING_DIRECTORIES": str(place.parent)}
        self._env = {**more, **_GIT, **own}

    async def run(self, *words: str, told: bool = False, why: str = "") -> str:
        """What it prints; with ``told`` that is for the user, too, as what it says beside it always is.

        Raises InvalidArgument with all that it said there, after ``why``, when it fails."""
        process = await asyncio.create_subprocess_exec(
            "git", *_SAFE, *words, cwd=self._place, env=self._env,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True, umask=0o022,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.TaskGroup() as both:
                out = both.create_task(_copied(process.stdout, self._said if told else None))
                beside = both.create_task(_copied(process.stderr, self._said))
            await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the helpers that talk to servers
            await whole(process.wait())
            raise
        if process.returncode:
            bare = [word for word in words if not word.startswith("--depth")]
            if len(bare) < len(words) and any(word in beside.result() for word in ("--depth", "shallow")):
                return await self.run(*bare, told=told, why=why)  # a server of files alone gives the whole history
            text = f"git stderr:\n{redacted(beside.result()[-_MOST:])}: exit status {process.returncode}"
            if _MOVED in text:
                text += ": it leads elsewhere, where no secret for it goes: give the address that it leads to"
            raise InvalidArgument(f"{why}: {text}" if why else text)
        return out.result()


async def _copied(stream: asyncio.StreamReader, said: Said | None) -> str:
    """All that comes, its beginning left out where it is too much; told as it comes."""
    found = b""
    while piece := await stream.read(_PIECE):
        found = (found + piece)[-_KEPT:]
        if said is not None:
            said(redacted(piece.decode(errors="replace")).encode())
    return found.decode(errors="replace")


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    _known(place).unlink(missing_ok=True)


def _known(place: Path) -> Path:
    """Where the keys of hosts are for a checkout: beside it, for all that is in it counts."""
    return place.with_name(f"{place.name}.known_hosts")


def _ssh(known: Path, given: str) -> str:
    """The command for git, with only the ``given`` keys of hosts, or with whatever comes first of those not known."""
    known.write_text(given if given.endswith("\n") else f"{given}\n")
    path = str(known).replace("%", "%%")
    options = [f'UserKnownHostsFile="{path}"', f"StrictHostKeyChecking={'yes' if given else 'accept-new'}"]
    options += ["GlobalKnownHostsFile=/dev/null"] if given else []
    return shlex.join([*_SSH, *(word for option in options for word in ("-o", option))])


async def _identity(wanted: giturl.GitSource, agents: Agents, lent: AsyncExitStack) -> dict[str, str]:
    """The variables by which git is let in: the client's ssh agent, or its secret GIT_AUTH_TOKEN or GIT_AUTH_HEADER,
    those of the host before those of all. Source: Docker build documentation, "Build secrets"."""
    parts = urlsplit(wanted.url)
    if parts.scheme not in ("http", "https"):
        if parts.scheme == "git":
            return {}
        agent = await lent.enter_async_context(agents.ssh("default"))
        if agent is None:
            raise InvalidArgument(
                f'{redacted(wanted.url)}: no SSH key "default" forwarded from the client: give --ssh default'
            )
        return {"SSH_AUTH_SOCK": agent}
    for suffix in (f".{parts.hostname}", ""):
        header = await agents.secret(f"GIT_AUTH_HEADER{suffix}")
        if not header and (token := await agents.secret(f"GIT_AUTH_TOKEN{suffix}")):
            header = b"basic " + base64.b64encode(b"x-access-token:" + token.strip())
        if header:
            there = f"http.{parts.scheme}://{parts.netloc}/"
            value = f"Authorization: {header.decode(errors='replace').strip()}"
            return {
                "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": f"{there}.extraheader", "GIT_CONFIG_VALUE_0": value,
                # git would send it along to whatever host it is led to, from its second request on
                "GIT_CONFIG_KEY_1": f"{there}.followRedirects", "GIT_CONFIG_VALUE_1": "false",
            }  # fmt: skip
    return {}


@dataclass(frozen=True, slots=True)
class _Found:
    """``ref``: its whole name at the server, "" for a commit; ``local``: what it is to be called here; ``name``: of the
    commit, or of the tag that leads to one."""

    ref: str
    local: str
    name: str


async def _resolve(git: _Git, wanted: giturl.GitSource) -> _Found:
    """What a reference means at the server: a branch before a tag of the same name. Raises Unresolved."""
    checksum, ref, shown = wanted.checksum, wanted.ref, redacted(wanted.url)
    if checksum and not _HEX.fullmatch(checksum):
        raise Unresolved(f"invalid checksum {checksum} for Git URL, expected hex commit hash")
    if ref.startswith("-"):
        raise Unresolved(f'invalid git ref "{ref}"')
    if giturl.is_commit(ref):
        _compare(checksum, ref, error=Unresolved)
        return _Found("", "", ref)
    try:
        if not ref:
            why = f"error fetching default branch for repository {shown}"
            head = await git.run("ls-remote", "--symref", "--", wanted.url, "HEAD", told=True, why=why)
            ref = _default(head, shown)
        why = f"failed to fetch remote {shown}"
        listed = await git.run("ls-remote", "--", wanted.url, ref, f"{ref}^{{}}", told=True, why=why)
    except InvalidArgument as error:
        raise Unresolved(str(error)) from error
    return _chosen(listed, ref, checksum)


def _default(listed: str, shown: str) -> str:
    found = _BRANCH.search(listed)
    if found is None:
        raise Unresolved(f"could not find default branch for repository: {shown}")
    return found[1]


def _chosen(listed: str, ref: str, checksum: str) -> _Found:
    """Of what ``ls-remote`` lists for a reference, what is meant."""
    names = {name: commit for commit, _, name in (line.partition("\t") for line in listed.splitlines())}
    tag = f"refs/tags/{ref.removeprefix('refs/tags/')}"
    tries = (f"refs/{ref.removeprefix('refs/')}", f"refs/heads/{ref.removeprefix('refs/heads/')}", tag)
    at = next((name for name in tries if name in names), None)
    if at is None:
        shown = listed.replace("\t", "\\t").replace("\n", "\\n")
        raise Unresolved(f'repository does not contain ref {ref}, output: "{shown}"')
    annotated = names.get(f"{tag}^{{}}", "") if at == tag else ""
    if not giturl.is_commit(checksum):  # a whole one is compared with what has come
        _compare(checksum, names[at], annotated, error=Unresolved)
    return _Found(at, tag if annotated else _local(ref), names[at])


def _local(ref: str) -> str:
    """What git calls here what it fetches by that name."""
    if ref.startswith(("heads/", "tags/", "remotes/")):
        return f"refs/{ref}"
    return ref if ref.startswith("refs/") else f"refs/heads/{ref}"


def _compare(checksum: str, *names: str, error: type[InvalidArgument] = InvalidArgument) -> None:
    if checksum and not any(name.startswith(checksum) for name in names):
        got = " or ".join(dict.fromkeys(filter(None, names)))
        raise error(f"expected checksum to match {checksum}, got {got}")


async def _fetch(git: _Git, wanted: giturl.GitSource, found: _Found, keep: bool) -> str:
    """Fetch and check out one commit; returns it."""
    shown = redacted(wanted.url)
    kind = ["--object-format=sha256"] if len(found.name) == _SHA256 else []
    await git.run("init", "-q", *kind, *([] if keep else ["--template="]))
    await git.run("remote", "add", "origin", wanted.url)  # what submodules with relative addresses are relative to
    what = f"+{found.ref}:{found.local}" if found.ref else found.name
    why = f"failed to fetch remote {shown}"
    await git.run("fetch", "--update-head-ok", "--depth=1", "--no-tags", "--", wanted.url, what, why=why)
    names = (await git.run("rev-parse", "FETCH_HEAD", "FETCH_HEAD^{commit}")).split()
    _compare(wanted.checksum, *names)
    await git.run("checkout", "-q", "--detach", "FETCH_HEAD", why=f"failed to checkout remote {shown}")
    if wanted.submodules:
        words = ("submodule", "update", "--init", "--recursive", "--depth=1")
        await git.run(*words, told=True, why=f"failed to update submodules for {shown}")
    if keep:
        if found.local.startswith(_HEADS):
            await git.run("update-ref", f"refs/tags/{found.local.removeprefix(_HEADS)}", "FETCH_HEAD")
        await git.run("remote", "set-url", "origin", shown)
        await git.run("reflog", "expire", "--all", "--expire=now")
    return names[1]


def _forget(place: Path) -> None:
    """Remove what is git's own, also of submodules; no file of a repository can be called so."""
    shutil.rmtree(place / ".git")
    for folder, _, names in os.walk(place):
        if ".git" in names:
            os.unlink(os.path.join(folder, ".git"))


def _tree(place: Path, folder: str) -> FolderTree:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    at, names = os.open(place, flags), list(filter(None, folder.split("/")))
    for number, name in enumerate(names, 1):
        above = at
        try:
            at = LINUX.openat2(above, name, flags, 0, BENEATH_NO_SYMLINKS)
        except OSError as error:
            why = _missing(folder, "/".join(names[:number]), error)
            raise InvalidArgument(f"invalid subdir /{folder}: {why}") from error
        finally:
            os.close(above)
    return FolderTree(LINUX, at)


def _missing(folder: str, name: str, error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return f'git subpath "/{folder}" contains non-directory "{name}"'
    return f'failed to lstat "{name}": statat {name}: {os.strerror(error.errno or 0).lower()}'
