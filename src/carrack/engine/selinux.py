"""The SELinux labels of a container: which it gets, and which others share. Pure.

A process label and the label of its files carry the same level, ``s0:c1,c2`` with two categories that no other
container has, by which the kernel keeps containers apart (MCS). A container without a process label runs as the
daemon's child, and its files have a level that no container is given.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from carrack.errors import InvalidArgument
from carrack.linux.selinux import Contexts
from carrack.model.container import Document

CATEGORIES = 1024
SHARED = "s0"
DISABLE = "disable"
NESTED = "nested"
_PARTS = ("user", "role", "type", "level")
#: of the files of containers that are not confined: a level that none is given
_FREE = f"s0:c{CATEGORIES - 2},c{CATEGORIES - 1}"


class Labels(NamedTuple):
    """Of the program, and of the files that it may have; nothing: none."""

    process: str = ""
    mount: str = ""


def options(host: Document) -> list[str]:
    """What ``SecurityOpt`` says of labels, in its order."""
    found = []
    for option in host["SecurityOpt"] or []:
        key, _, value = option.partition("=" if "=" in option else ":")
        if key == "label":
            found.append(value)
        elif option == DISABLE:
            found.append(DISABLE)
    return found


def inherited(host: Document, process_label: Callable[[str], str]) -> list[str]:
    """The options that Docker adds itself: none for whoever is privileged or in the host's namespaces, those of the
    container whose namespaces it joins for others. ``process_label`` is of a container, by its id.

    InvalidArgument when it joins two that differ.
    """
    if any(option.partition("=")[0] == "label" for option in host["SecurityOpt"] or []):
        return []
    if host["Privileged"] or host["PidMode"] == "host" or host["IpcMode"] == "host":
        return [f"label={DISABLE}"]
    modes = [host[field] for field in ("IpcMode", "PidMode") if host[field].startswith("container:")]
    found = [_copied(process_label(mode.removeprefix("container:"))) for mode in modes]
    if len(found) == 2 and all(found) and found[0] != found[1]:
        raise InvalidArgument("--ipc and --pid containers SELinux labels aren't the same")
    return next(iter(found), [])


def _copied(label: str) -> list[str]:
    if not label:
        return []
    return [f"label={part}:{value}" for part, value in zip(_PARTS, label.split(":", 3), strict=False)]


def choose(words: Iterable[str], contexts: Contexts, level: str) -> Labels:
    """The labels of a container whose options are ``words`` and whose own level is ``level``.

    Raises InvalidArgument on unknown words.
    """
    process, mount = _parts(contexts.process), _parts(contexts.file)
    if "level" in process:
        process["level"] = mount["level"] = level
    for word in words:
        if word == DISABLE:
            return Labels("", _joined({**_parts(contexts.file), "level": _FREE}))
        if word == NESTED:
            continue
        key, separator, value = word.partition(":")
        if not separator:
            raise InvalidArgument(
                f"bad label option {word!r}, valid options 'disable', 'nested' or \n'user, role, level, type, "
                "filetype' followed by ':' and a value"
            )
        if key not in (*_PARTS, "filetype"):
            told = "valid options 'disable, nested, user, role, level, type, filetype'"
            raise InvalidArgument(f"bad label option {key!r}, {told}")
        if key == "filetype":
            mount["type"] = value
            continue
        process[key] = value
        if key in ("level", "user"):
            mount[key] = value
    return Labels(_joined(process), _joined(mount))


def own_level(taken: Collection[str]) -> str:
    """A level of two categories that nobody has; those of ``taken`` are had."""
    while True:
        one, other = sorted((secrets.randbelow(CATEGORIES), secrets.randbelow(CATEGORIES)))
        level = f"s0:c{one},c{other}"
        if one != other and level != _FREE and level not in taken:
            return level


def level_of(label: str) -> str:
    """The level of a label; nothing when it has none."""
    return _parts(label).get("level", "")


def type_of(label: str) -> str:
    """The type of a label; nothing when it has none."""
    return _parts(label).get("type", "")


def shared(label: str) -> str:
    """The label of files that all containers may have: that of one, without categories."""
    return _joined({**_parts(label), "level": SHARED}) if level_of(label) else label


def _parts(label: str) -> dict[str, str]:
    return dict(zip(_PARTS, label.split(":", 3), strict=False))


def _joined(parts: dict[str, str]) -> str:
    return ":".join(parts[name] for name in _PARTS if name in parts)
