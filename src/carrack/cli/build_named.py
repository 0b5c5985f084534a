"""``build --build-context NAME=…``: images, addresses and folders that a Dockerfile calls by a name.

A folder is sent before the build is asked for, what has changed of it if the daemon has it from before; an OCI layout
is read by the daemon as the folder of a cache is.
"""

import os

from carrack.cli.build_caches import find
from carrack.cli.build_context import REMOTE, named_ignored
from carrack.cli.context_sync import prepare
from carrack.cli.exit import Exit
from carrack.client import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.client.transport import Daemon

_IMAGE, _LAYOUT = "docker-image://", "oci-layout://"


def told(daemon: "Daemon", words: "list[str]", query: "dict[str, Any]") -> "list[str]":
    """Send the folders, and put into the query what each name stands for; the OCI layouts that are to be offered."""
    contexts, folders, layouts = {}, {}, []
    for word in words:
        name, _, place = word.partition("=")
        if not name or not place:
            raise Exit(1, f"invalid context value: {word}, expected key=value")
        if place.startswith(_LAYOUT):
            folder, contexts[name] = _layout(name, place.removeprefix(_LAYOUT))
            layouts.append(folder)
        elif os.path.isdir(place):
            folders[name] = place
        elif place.startswith((_IMAGE, *REMOTE)):
            contexts[name] = place
        else:
            raise Exit(1, f"failed to get build context {name}: {place}: there is no such folder")
    for name, folder in folders.items():
        contexts[name] = f"sent:{_send(daemon, folder)}"
    query["contexts"] = document.dumps(contexts)
    return layouts


def _send(daemon: "Daemon", folder: str) -> str:
    query: dict[str, Any] = {}
    data = prepare(daemon, folder, named_ignored(folder), query)
    return str(document.loads(daemon.upload("POST", "/build/context/files", query, data).read())["ID"])


def _layout(name: str, place: str) -> "tuple[str, str]":
    """The folder of a layout, and the address that the daemon gets."""
    folder, _, digest = place.partition("@")
    tag = "latest"
    if not os.path.isdir(folder) and "/" not in folder.rpartition(":")[2]:
        folder, _, tag = folder.rpartition(":")
    folder = os.path.abspath(folder)
    digest = digest or find(folder, tag)
    if not digest:
        raise Exit(1, f"failed to get build context {name}: {_LAYOUT}{place}: there is no image {tag} in {folder}")
    return folder, f"{_LAYOUT}{folder}:{tag}@{digest}"
