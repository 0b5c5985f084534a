"""What belongs to which repository: small files that point into the content store.

    <root>/content/                        the blobs, manifests too, each once (storage.content)
    <root>/repositories/<name>/
        _blobs/<hex>                       empty: the repository has this blob; mtime: when it was last asked for
        _manifests/<hex>                   JSON: media type, size, when it was pushed; mtime: when it was last pulled
        _referrers/<subject hex>/<hex>     JSON: the descriptor of a manifest that has this subject
        _tags/<tag>                        the digest; mtime: when it was set
        _uploads/<id>                      what has come of an upload

A component of a name never begins with an underscore, so names cannot meet these folders. A file is written aside,
synced and renamed; what the answer to a push promises is on disk.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import reference
from carrack.registry_server.guard import Guard
from carrack.registry_server.message import Problem
from carrack.storage.content import ContentStore
from carrack.storage.durable import sync_directory, write_all

BLOBS, MANIFESTS, REFERRERS, TAGS, UPLOADS = "_blobs", "_manifests", "_referrers", "_tags", "_uploads"

_FRESH = 600.0
"""Seconds after which another use of content is noted on disk."""


@dataclass(frozen=True, slots=True)
class Record:
    """A manifest of a repository. Times in seconds since the epoch."""

    digest: str
    media_type: str
    size: int
    pushed: float
    pulled: float


class Repositories:
    """All repositories below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root / "repositories"
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.content = ContentStore(root / "content")
        self.guard = Guard()

    def get(self, name: str) -> Repository:
        """The repository of that name, whether there is one or not; Problem NAME_INVALID."""
        if not _is_name(name):
            raise Problem("NAME_INVALID", f"{name[:255]!r} is no repository name")
        return Repository(self, name)

    def names(self) -> Iterator[str]:
        """The names of all repositories that hold a manifest, sorted."""
        yield from sorted(_names(str(self.root), ""))

    def everywhere(self) -> Iterator[Repository]:
        """Every repository that has anything at all."""
        for folder, folders, _ in os.walk(self.root):
            if any(each.startswith("_") for each in folders):
                yield Repository(self, os.path.relpath(folder, self.root))
            folders[:] = [each for each in folders if not each.startswith("_")]


class Repository:
    """One repository's names. Digests given to it are valid ones."""

    def __init__(self, all_: Repositories, name: str) -> None:
        self.name = name
        self.path = all_.root / name
        self.content = all_.content
        self.guard = all_.guard

    def key(self, digest: str) -> str:
        """What the guard knows this repository's use of a blob or manifest by."""
        return f"{self.name}@{digest}"

    def exists(self) -> bool:
        """Whether it holds, or held, a manifest."""
        return (self.path / MANIFESTS).is_dir()

    def has_blob(self, digest: str) -> bool:
        """Whether it has the blob; notes that somebody asked."""
        with self.guard.using(self.key(digest), digest):
            return _note(self.path / BLOBS / _hex(digest)) and self.content.has(digest)

    def link(self, digest: str) -> None:
        """Have the blob, whose content is there. Durable by the manifest that names it."""
        path = self.path / BLOBS
        try:
            fd = os.open(path / _hex(digest), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path / _hex(digest), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.utime(fd)
        os.close(fd)

    def unlink(self, digest: str, *, durable: bool = True) -> bool:
        """Have the blob no longer; whether it had."""
        return _remove(self.path / BLOBS / _hex(digest), durable=durable)

    def record(self, digest: str) -> Record | None:
        """The manifest with that digest, None when it has none."""
        return _record(self.path / MANIFESTS / _hex(digest), digest)

    def pulled(self, digest: str) -> None:
        """Note that a manifest was pulled."""
        _note(self.path / MANIFESTS / _hex(digest))

    def add(self, digest: str, media_type: str, size: int) -> None:
        """Have a manifest, whose content is there."""
        folder = self.path / BLOBS
        if folder.is_dir():
            sync_directory(folder)  # the blobs that it names
        document = {"mediaType": media_type, "size": size, "pushed": time.time()}
        _write(self.path / MANIFESTS, _hex(digest), document)

    def remove(self, digest: str) -> bool:
        """Have a manifest no longer; whether it had. Tags and referrers are the caller's."""
        return _remove(self.path / MANIFESTS / _hex(digest))

    def records(self) -> list[Record]:
        """All manifests."""
        found = (self.record("sha256:" + name) for name in _listed(self.path / MANIFESTS))
        return [record for record in found if record is not None]

    def sweep(self, age: float) -> None:
        """Remove what writes that a crash has cut short left `age` seconds ago or more."""
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder, name)
                if name.startswith(".") and time.time() - (_mtime(path) or time.time()) > age:
                    path.unlink(missing_ok=True)

    def blobs(self) -> list[str]:
        """The digests of all blobs it has, manifests not among them."""
        return ["sha256:" + name for name in _listed(self.path / BLOBS)]


def blob_used(repository: Repository, digest: str) -> float:
    """When a blob was last asked for, 0 when the repository has it no longer."""
    return _mtime(repository.path / BLOBS / _hex(digest))


class Tags:
    """The tags of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._folder = repository.path / TAGS

    def get(self, tag: str) -> str | None:
        """The digest that a tag leads to; None when there is none."""
        try:
            return (self._folder / tag).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def set(self, tag: str, digest: str) -> None:
        """Let a tag lead to a manifest."""
        _write(self._folder, tag, digest)

    def remove(self, tag: str) -> bool:
        """Whether there was such a tag."""
        return _remove(self._folder / tag)

    def names(self) -> list[str]:
        """All, sorted."""
        return sorted(_listed(self._folder))

    def all(self) -> dict[str, tuple[str, float]]:
        """Every tag with its digest and the time when it was set."""
        found = {}
        for tag in self.names():
            digest = self.get(tag)
            if digest:
                found[tag] = (digest, _mtime(self._folder / tag))
        return found

    def drop(self, digest: str) -> None:
        """Remove the tags that lead to a manifest."""
        for tag, (led, _) in self.all().items():
            if led == digest:
                self.remove(tag)


class Referrers:
    """Which manifests of one repository have which subject."""

    def __init__(self, repository: Repository) -> None:
        self._folder = repository.path / REFERRERS

    def add(self, subject: str, descriptor: dict[str, Any]) -> None:
        """Note a manifest, by its descriptor, under its subject."""
        _write(self._folder / _hex(subject), _hex(descriptor["digest"]), descriptor)

    def remove(self, subject: str, digest: str) -> None:
        """The manifest is gone."""
        _remove(self._folder / _hex(subject) / _hex(digest))
        with contextlib.suppress(OSError):
            (self._folder / _hex(subject)).rmdir()

    def of(self, subject: str) -> list[dict[str, Any]]:
        """The descriptors of those that have this subject, by digest."""
        folder = self._folder / _hex(subject)
        found = (_read(folder / name) for name in sorted(_listed(folder)))
        return [each for each in found if each is not None]


@functools.lru_cache(4096)
def _is_name(name: str) -> bool:
    try:
        return reference.parse(f"localhost/{name}") == reference.Reference("localhost", name)
    except InvalidArgument:
        return False


def is_tag(text: str) -> bool:
    """Whether it is a tag by its grammar."""
    try:
        reference.Reference("", "").with_tag(text)
    except InvalidArgument:
        return False
    return True


def _hex(digest: str) -> str:
    if digests.algorithm(digest) != "sha256":
        raise Problem("DIGEST_INVALID", f"{digest}: only sha256 digests are served here")
    return digests.encoded(digest)


def _names(folder: str, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("_") and entry.is_dir(follow_symlinks=False):
                name = prefix + entry.name
                if _any(f"{entry.path}/{MANIFESTS}"):
                    yield name
                yield from _names(entry.path, name + "/")


def _any(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False


def _listed(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return []


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _note(path: Path) -> bool:
    """Whether the file is there; sets its mtime when that is not fresh."""
    try:
        if time.time() - path.stat().st_mtime > _FRESH:
            os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _remove(path: Path, *, durable: bool = True) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    if durable:
        sync_directory(path.parent)
    return True


def _write(folder: Path, name: str, content: dict[str, Any] | str) -> None:
    data = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    temporary = folder / f".{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        fd = os.open(temporary, flags, 0o600)
    except FileNotFoundError:
        _make(folder)
        fd = os.open(temporary, flags, 0o600)
    try:
        write_all(fd, data.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, folder / name)
    sync_directory(folder)


def _make(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if not folder.parent.is_dir():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_directory(folder.parent)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _record(path: Path, digest: str) -> Record | None:
    value = _read(path)
    if value is None:
        return None
    return Record(digest, value["mediaType"], value["size"], value["pushed"], _mtime(path))
