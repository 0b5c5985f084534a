"""What a build made, as a document that can be compared: files and run configuration of an image, times left out."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from typing import Any

Document = dict[str, Any]
_KINDS = {
    tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "disk",
    tarfile.FIFOTYPE: "pipe",
}  # fmt: skip
_CONFIG = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Healthcheck",
    "Shell", "OnBuild",
)  # fmt: skip
_XATTR = "SCHILY.xattr."
# Where a base lacks them, dockerd's RUN leaves the folders that the runtime mounted things on; ours leaves none.
_LEFT = {f"/{name}": {"kind": "folder", "owner": "0:0", "mode": "0755"} for name in ("dev", "proc", "sys")}


def outcome(saved: bytes, base: bytes) -> Document:
    """Of an image as ``docker save`` gives it, what is otherwise than in its base (the tar of the base's files)."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = json.loads(_read(archive, "manifest.json"))[0]
        config = json.loads(_read(archive, manifest["Config"]))
        layers = [layer(_read(archive, name)) for name in manifest["Layers"]]
    below = merge([layer(base)])
    files = merge(layers)
    skipped = 1 if layers and layers[0] == layer(base) else 0
    run = config.get("config") or {}
    return {
        "files": {
            path: shown for path, shown in sorted(files.items()) if shown not in (below.get(path), _LEFT.get(path))
        },
        "removed": sorted(below.keys() - files.keys()) if skipped else [],
        "config": {key: run[key] for key in _CONFIG if run.get(key)},
        "author": config.get("author", ""),
        "history": [
            [entry.get("created_by", ""), bool(entry.get("empty_layer"))]
            if not entry.get("created_by", "").startswith("WORKDIR")
            else [entry["created_by"]]  # dockerd makes an empty layer where the directory is there, ours none
            for entry in config.get("history", [])[skipped:]
        ],
    }


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


Entries = list[tuple[str, Document]]


def layer(data: bytes) -> Entries:
    """What is in the tar of a layer, in its order."""
    found: Entries = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            path = posixpath.normpath("/" + member.name)
            if member.islnk():
                found.append((path, {"same as": posixpath.normpath("/" + member.linkname)}))
                continue
            shown: Document = {"kind": _KINDS.get(member.type, "file"), "owner": f"{member.uid}:{member.gid}"}
            if not member.issym():
                shown["mode"] = f"{member.mode:04o}"
            if xattrs := {
                key[len(_XATTR) :]: repr(value) for key, value in member.pax_headers.items() if _XATTR in key
            }:
                shown["xattrs"] = xattrs
            if member.issym():
                shown["target"] = member.linkname
            elif member.ischr() or member.isblk():
                shown["device"] = f"{member.devmajor}:{member.devminor}"
            elif member.isreg():
                shown["content"] = _content(tar, member)
            found.append((path, shown))
    return found


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    data = file.read() if file else b""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if len(text) <= 400 and "\0" not in text:
        return text
    return f"{len(data)} bytes, sha256:{hashlib.sha256(data).hexdigest()}"


def merge(layers: list[Entries]) -> dict[str, Document]:
    """What is seen when the layers lie on each other. A file of several names knows the others ("names")."""
    files: dict[str, Document] = {}
    for layer in layers:
        for path, _ in layer:
            folder, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                _remove(files, folder, itself=False)
            elif name.startswith(".wh."):
                _remove(files, posixpath.join(folder, name[4:]))
        for path, shown in layer:
            if posixpath.basename(path).startswith(".wh."):
                continue
            if "same as" in shown:
                files[path] = files[shown["same as"]]
                continue
            below = files.get(path)
            if below is not None and below["kind"] == "folder" != shown["kind"]:
                _remove(files, path)
            files[path] = {**shown, "id": object()}
    files.pop("/", None) if files.get("/", {}).get("mode") == "0755" else None
    by_file: dict[int, list[str]] = {}
    for path, shown in files.items():
        by_file.setdefault(id(shown), []).append(path)
    merged = {}
    for path, shown in files.items():
        others = sorted(by_file[id(shown)])
        merged[path] = _without_id({**shown, "names": others} if len(others) > 1 else shown)
    return merged


def _without_id(shown: Document) -> Document:
    return {key: value for key, value in shown.items() if key != "id"}


def _remove(files: dict[str, Document], path: str, itself: bool = True) -> None:
    for each in [each for each in files if each.startswith(path.rstrip("/") + "/") or (itself and each == path)]:
        del files[each]


def differences(ours: Document, theirs: Document) -> list[str]:
    """What is not the same, a line for each member."""
    found: list[str] = []
    for part in ("files", "config"):
        for key in sorted(ours[part].keys() | theirs[part].keys()):
            mine, other = ours[part].get(key), theirs[part].get(key)
            if mine != other:
                found.append(f"{part} {key}:\n    ours   {mine}\n    theirs {other}")
    for part in ("removed", "author", "history"):
        if part in theirs and ours[part] != theirs[part]:
            found.append(f"{part}:\n    ours   {ours[part]}\n    theirs {theirs[part]}")
    return found
