"""Lists of manifests in the making, where the docker command keeps them, so that either can go on with the other's.

::

    <config>/manifests/<list>/<manifest>    one image of the list; names in full, ':' as '-' and '/' as '_'

A file holds ``{"Ref", "Descriptor", "Raw", "SchemaV2Manifest" or "OCIManifest"}``: where the manifest is from, what a
list says of it, its bytes in base64, and those again as they are read.
"""

import posix
from binascii import Error, a2b_base64, b2a_base64

from carrack.client import config_file, document, paths
from carrack.errors import InvalidArgument, Unavailable
from carrack.oci import media_types
from carrack.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from carrack.client.document import Document

_LIMIT = 16 << 20
# What docker takes for a platform that a list may name.
PLATFORMS = {
    "darwin": "386 amd64 arm arm64",
    "dragonfly": "amd64",
    "freebsd": "386 amd64 arm",
    "linux": "386 amd64 arm arm64 loong64 mips64 mips64le ppc64le riscv64 s390x",
    "netbsd": "386 amd64 arm",
    "openbsd": "386 amd64 arm",
    "plan9": "386 amd64",
    "solaris": "amd64",
    "windows": "386 amd64 arm arm64",
}
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant")


class Lists:
    """The lists below a directory of client files."""

    def __init__(self, directory: str) -> None:
        self._root = f"{directory}/manifests"

    def __contains__(self, name: Reference) -> bool:
        return paths.is_folder(self._folder(name))

    def entries(self, name: Reference) -> "list[Document]":
        """What is in a list, in the order of the files' names; nothing when there is no such list."""
        try:
            files = sorted(posix.listdir(self._folder(name)))
        except FileNotFoundError:
            return []
        return [self._read(f"{self._folder(name)}/{file}") for file in files if not file.endswith(".tmp")]

    def entry(self, name: Reference, manifest: Reference) -> "Document | None":
        """What a list has of one manifest."""
        path = self._file(name, manifest)
        return self._read(path) if paths.exists(path) else None

    def put(self, name: Reference, manifest: Reference, entry: "Document") -> None:
        config_file.write(self._file(name, manifest), document.dumps(entry).encode(), 0o644)

    def remove(self, name: Reference) -> None:
        import shutil

        shutil.rmtree(self._folder(name))

    def _folder(self, name: Reference) -> str:
        return f"{self._root}/{_file_name(name)}"

    def _file(self, name: Reference, manifest: Reference) -> str:
        return f"{self._folder(name)}/{_file_name(manifest)}"

    def _read(self, path: str) -> "Document":
        with open(path, "rb") as file:
            data = file.read(_LIMIT)
        try:
            entry = document.loads(data)
            platform = entry["Descriptor"]["platform"]
            a2b_base64(entry["Raw"])
            whole = isinstance(entry["Ref"], str) and isinstance(platform, dict)
        except (Unavailable, Error, KeyError, TypeError, ValueError):
            whole = False
        if not whole:
            raise InvalidArgument(f"{path} is no manifest of a list: remove the list and create it again")
        found: Document = entry
        return found


def entry(ref: str, media_type: str, digest: str, data: bytes, platform: "Document") -> "Document":
    """What a list keeps of a manifest."""
    kind = "OCIManifest" if media_type == media_types.OCI_MANIFEST else "SchemaV2Manifest"
    return {
        "Ref": ref,
        "Descriptor": {
            "mediaType": media_type,
            "digest": digest,
            "size": len(data),
            "platform": {key: platform[key] for key in _PLATFORM_KEYS if platform.get(key)},
        },
        "Raw": b2a_base64(data, newline=False).decode(),
        kind: document.loads(data),
    }


def raw(kept: "Document") -> bytes:
    """The bytes of a kept manifest."""
    return a2b_base64(kept["Raw"])


def annotate(kept: "Document", given: "dict[str, Any]") -> None:
    """Say otherwise of a manifest's platform what ``given`` has: os, architecture, variant, os.version, os.features.

    Raises InvalidArgument for a platform that there is not.
    """
    said = {**kept["Descriptor"]["platform"], **{key: value for key, value in given.items() if value}}
    if said.get("architecture", "") not in PLATFORMS.get(said.get("os", ""), "").split():
        told = f"{given.get('os') or ''}/{given.get('architecture') or ''}"
        raise InvalidArgument(f"manifest entry for image has unsupported os/arch combination: {told}")
    kept["Descriptor"]["platform"] = {key: said[key] for key in _PLATFORM_KEYS if said.get(key)}


_ENTRY = ("mediaType", "size", "digest", "platform")
_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")


def _picked(found: "Document", keys: "Sequence[str]") -> "Document":
    return {key: found[key] for key in keys if found.get(key) not in (None, {})}


def index(descriptors: "Sequence[Document]") -> bytes:
    """The list itself, laid out as docker lays it out, so that both give it the same digest."""
    oci = bool(descriptors) and descriptors[0]["mediaType"] == media_types.OCI_MANIFEST
    entries = [
        _picked({**found, "platform": _picked(found.get("platform") or {}, _PLATFORM)}, _ENTRY) for found in descriptors
    ]
    kind = media_types.OCI_INDEX if oci else media_types.DOCKER_INDEX
    return document.indented({"schemaVersion": 2, "mediaType": kind, "manifests": entries}, 3).encode()


def _file_name(name: Reference) -> str:
    return str(name).replace(":", "-").replace("/", "_")
