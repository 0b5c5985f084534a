"""Caches of ``carrack build``: what the flags mean, and the folders that local ones are in, served to the daemon.

A folder is an OCI image layout, as ``docker buildx`` has it: the index leads to the cache by a tag, "latest" for none.
What is asked on the connection: see carrack.api.folders.
"""

import hashlib
import os
import re

from carrack.cli.exit import Exit
from carrack.client import document
from carrack.client.account import packed
from carrack.errors import Unavailable
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from carrack.cli.build_agents import Agents
    from carrack.cli.command import Session
    from carrack.client.document import Document
    from carrack.client.transport import Daemon
    from carrack.http.client import Stream

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_NAME = "org.opencontainers.image.ref.name"
_PIECE = 1 << 20


def parse(text: str, folder: str) -> "Document":
    """What was typed after ``--cache-from`` or ``--cache-to``: ``type=T,key=value…``, or a reference alone.

    ``folder``: the attribute of local caches that is a path. Exit for what is no such thing.
    """
    fields = text.split(",")
    if all("=" not in each for each in fields):
        return {"Type": "registry", "Attrs": {"ref": text}}
    values = dict(each.partition("=")[::2] for each in fields)
    kind = values.pop("type", "")
    if not kind:
        raise Exit(1, f"invalid cache {text!r}: it needs a type: registry, local or inline")
    if kind == "local":
        if not values.get(folder):
            raise Exit(1, f"invalid cache {text!r}: type=local needs {folder}=FOLDER")
        values[folder] = os.path.abspath(values[folder])
    return {"Type": kind, "Attrs": values}


class Caches:
    """What of caches one build is asked for; their folders, and ``layouts`` (those of images), are served until
    ``close``, and ``agents`` are lent."""

    def __init__(
        self, sources: "list[str]", targets: "list[str]", *, layouts: "Sequence[str]" = (), inline: bool = False
    ) -> None:
        self._from = [parse(text, "src") for text in sources]
        self._to = [parse(text, "dest") for text in targets]
        self._layouts: list[dict[str, str]] = [{"src": folder} for folder in layouts]
        self.agents: Agents | None = None
        if inline and not any(each["Type"] == "inline" for each in self._to):
            self._to.append({"Type": "inline", "Attrs": {}})
        self._serving: Any = None

    def told(self, session: "Session", query: "dict[str, Any]") -> "list[tuple[str, str]]":
        """Put into a request what it says of them, and begin to serve the folders; returns the headers that it needs:
        who the user is at the registries of caches."""
        query.update(self._query(session.daemon))
        refs = [each["Attrs"].get("ref", "") for each in (*self._from, *self._to) if each["Type"] == "registry"]
        accounts = {}
        for ref in filter(None, refs):
            account = session.credentials.for_repository(reference.parse(ref).name)
            if account:
                accounts[account.server] = account.document()
        return [("X-Registry-Config", packed(accounts))] if accounts else []

    def _query(self, daemon: "Daemon") -> "dict[str, Any]":
        for each in self._from:
            if each["Type"] == "local" and "digest" not in each["Attrs"]:
                found = find(each["Attrs"]["src"], each["Attrs"].get("tag") or "latest")
                each["Attrs"]["digest"] = found or "sha256:" + "0" * 64  # the daemon tells that it is not there
        query: dict[str, Any] = {}
        if self._from:
            query["cachefrom"] = document.dumps(self._from)
        if self._to:
            query["cacheto"] = document.dumps(self._to)
        local = [each["Attrs"] for each in (*self._from, *self._to) if each["Type"] == "local"]
        local += self._layouts
        if self.agents is not None:
            query["ssh"] = self.agents.names
        if local or self.agents is not None:
            query["folders"] = self._serve(daemon, local)
        return query

    def close(self) -> None:
        """No more is served."""
        if self._serving is not None:
            stream, thread = self._serving
            stream.abort()
            if self.agents is not None:
                self.agents.close()
            thread.join()
            stream.close()
        elif self.agents is not None:
            self.agents.close()

    def _serve(self, daemon: "Daemon", local: "list[dict[str, str]]") -> str:
        from threading import Thread

        readable = {each["src"] for each in local if "src" in each}
        writable = {each["dest"]: each.get("tag") or "latest" for each in local if "dest" in each}
        identity = os.urandom(16).hex()
        daemon.agree()
        stream, _ = daemon.hijack("/build/folders", {"id": identity})
        thread = Thread(target=_Folders(readable, writable, self.agents).serve, args=(stream,), daemon=True)
        thread.start()
        self._serving = (stream, thread)
        return identity


def find(folder: str, tag: str) -> str:
    """The digest of the cache that a folder has by a tag; "" for none."""
    for entry in _index(folder)["manifests"]:
        if (entry.get("annotations") or {}).get(_NAME, "latest") == tag:
            return str(entry.get("digest", ""))
    return ""


def _index(folder: str) -> "Document":
    try:
        with open(os.path.join(folder, "index.json"), "rb") as file:
            found = document.loads(file.read(_PIECE * 4))
    except (OSError, Unavailable):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("manifests"), list):
        return {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    return found


class _Folders:
    """Answers on a connection; ``writable`` folders by the tags that their caches get."""

    def __init__(self, readable: "set[str]", writable: "dict[str, str]", agents: "Agents | None" = None) -> None:
        self._agents = agents
        self._readable = readable
        self._writable = writable

    def serve(self, stream: "Stream") -> None:
        """Until the connection ends."""
        ahead = b""
        try:
            while True:
                while b"\n" not in ahead:
                    data = stream.read()
                    if not data:
                        return
                    ahead += data
                line, _, ahead = ahead.partition(b"\n")
                ahead = self._answer(stream, document.loads(line), ahead)
        except (OSError, Unavailable):
            return  # the daemon's side says what became of the build

    def _answer(self, stream: "Stream", asked: "Document", ahead: bytes) -> bytes:
        """Answer one question; what has come beyond it is given back."""
        if asked["do"] == "write":
            return self._write(stream, asked, ahead)
        if asked["do"] == "agent":
            return self._ask(stream, asked, ahead)
        try:
            path = self._path(asked, self._readable | self._writable.keys())
            size = os.path.getsize(path) if os.path.exists(path) else None
            if asked["do"] == "size":
                stream.write(_line({"size": size}))
            else:
                _send(stream, path, asked["offset"], asked["size"])
        except (OSError, ValueError) as error:
            stream.write(_line({"error": str(error)}))
        return ahead

    def _ask(self, stream: "Stream", asked: "Document", ahead: bytes) -> bytes:
        message = b""
        while len(message) < asked["size"]:
            piece, ahead = _taken(stream, ahead, asked["size"] - len(message))
            message += piece
        try:
            if self._agents is None:
                raise OSError("no ssh agent is lent")
            found = self._agents.answer(asked["name"], asked["number"], message)
            stream.write(_line({"size": len(found)}) + found)
        except OSError as error:
            stream.write(_line({"error": str(error)}))
        return ahead

    def _write(self, stream: "Stream", asked: "Document", ahead: bytes) -> bytes:
        error, left, digest, path = "", asked["size"], hashlib.sha256(), ""
        try:
            path = self._path(asked, self._writable.keys())
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(f"{path}.part", "wb") as file:
                while left:
                    piece, ahead = _taken(stream, ahead, left)
                    left -= len(piece)
                    digest.update(piece)
                    file.write(piece)
            if f"sha256:{digest.hexdigest()}" != asked["digest"]:
                raise ValueError(f"what came is not {asked['digest']}")
            os.replace(f"{path}.part", path)
            if asked["type"].rpartition(".")[0].endswith(("image.manifest", "image.index", "manifest.list")):
                self._note(asked)
        except (OSError, ValueError) as failure:
            error = str(failure)
            _drop(f"{path}.part")
        while left:
            piece, ahead = _taken(stream, ahead, left)
            left -= len(piece)
        stream.write(_line({"error": error} if error else {}))
        return ahead

    def _path(self, asked: "Document", folders: "Any") -> str:
        """Where a blob is. ValueError for a folder that nobody has named, or what is no digest."""
        if asked["folder"] not in folders or not _DIGEST.match(asked["digest"]):
            raise ValueError(f"the folder {asked['folder']} is not for this")
        return os.path.join(asked["folder"], "blobs", "sha256", asked["digest"].partition(":")[2])

    def _note(self, asked: "Document") -> None:
        """Let the folder's index lead to a cache."""
        folder, tag = asked["folder"], self._writable[asked["folder"]]
        index = _index(folder)
        others = [each for each in index["manifests"] if (each.get("annotations") or {}).get(_NAME) != tag]
        entry = {"mediaType": asked["type"], "digest": asked["digest"], "size": asked["size"]}
        _replace(
            os.path.join(folder, "index.json"), {**index, "manifests": [*others, entry | {"annotations": {_NAME: tag}}]}
        )
        _replace(os.path.join(folder, "oci-layout"), {"imageLayoutVersion": "1.0.0"})


def _drop(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _replace(path: str, value: "Document") -> None:
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        file.write(document.dumps(value))
    os.replace(f"{path}.part", path)


def _taken(stream: "Stream", ahead: bytes, most: int) -> "tuple[bytes, bytes]":
    """Some bytes, at most so many, and those beyond them. ConnectionError at the end."""
    ahead = ahead or stream.read()
    if not ahead:
        raise ConnectionResetError("the daemon has gone")
    return ahead[:most], ahead[most:]


def _send(stream: "Stream", path: str, offset: int, size: int) -> None:
    with open(path, "rb") as file:
        size = max(0, min(size, os.fstat(file.fileno()).st_size - offset))
        file.seek(offset)
        stream.write(_line({"size": size}))
        while size:
            piece = file.read(min(size, _PIECE))
            if not piece:
                raise ConnectionResetError(f"{path} has become shorter")
            size -= len(piece)
            stream.write(piece)


def _line(value: "Document") -> bytes:
    return document.dumps(value).encode() + b"\n"
