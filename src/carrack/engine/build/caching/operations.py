"""How BuildKit names a step: the digest of what is done, and what it is done with. Pure.

What is digested is a JSON text in the order and with the omissions of BuildKit's own structures; a step that it would
do in another way than we do, or that it names by things which are not known here, has no such name (None). Source:
BuildKit's protocol, for names and numbers, and the caches that dockerd 28.5 writes.
"""

from __future__ import annotations

import base64
import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.dockerfile.mounts import Mount
from carrack.engine.build import filenames, giturl
from carrack.engine.build.caching.graph import digest_of
from carrack.storage.trees.picking import has_wildcard

if TYPE_CHECKING:
    from carrack.engine.build.steps import CopyStep, RunStep, WorkdirStep
    from carrack.oci.platform import Platform

BELOW, FILES, INLINE, REMOTE = "below", "files", "inline", "remote"
_ROOT = digest_of(b"/")
_NONE = -1
_NETWORKS = {"default": 0, "host": 1, "none": 2}
_CACHE, _TMPFS, _SECRET, _SSH = 3, 4, 1, 2
_LIMITS = {"Ulimits", "CgroupParent", "ShmSize"}
_SHARING = {"shared": 0, "private": 1, "locked": 2}


@dataclass(frozen=True, slots=True)
class Need:
    """One input: the layers below, the files of ``origin`` (as in CopyStep) at ``paths``, a file written in place,
    whose own digest is ``made``, or what a URL or a repository (``origin``) gave. ``selector`` is the digest of the
    paths, "" where all counts; ``filtered``: some of what is there is left out."""

    kind: str
    origin: str = ""
    paths: tuple[str, ...] = ()
    selector: str = ""
    made: str = ""
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done, by its digest, and with what. ``linked``: what it gives is only then put onto the layers below."""

    digest: str
    needs: tuple[Need, ...]
    linked: bool = False


#: putting two things onto each other
MERGE = digest_of(b'{"Type":"buildkit.merge.v0","Merge":{"inputs":[{},{"input":1}]}}')


def workdir(step: WorkdirStep, scratch: bool, epoch: int | None) -> Operation | None:
    """WORKDIR; ``scratch``: there is nothing below it."""
    action: dict[str, Any] = {"path": step.path, "mode": 0o755, "makeParents": True}
    if step.user:
        owner = _owner(step.user, scratch)
        if owner is None:
            return None
        action["owner"] = owner
    action["timestamp"] = -1 if epoch is None else epoch * 1_000_000_000
    below = () if scratch else (Need(BELOW),)
    return Operation(_file([action], [[len(below) - 1, _NONE, 0]]), below)


def copy(step: CopyStep, scratch: bool) -> Operation | None:
    """COPY, and ADD of what is in the context."""
    remote = step.remote and any("://" in source or source.startswith("git@") for source in step.sources)
    if step.parents or (step.checksum and not remote) or (step.exclude and (step.inline or remote)):
        return None
    linked = step.link and not step.mode and not scratch
    scratch = scratch or linked
    owner = _owner(step.owner, scratch) if step.owner else None
    if step.owner and owner is None:
        return None
    if remote:
        return _added(step, scratch, linked, owner)
    below = [] if scratch else [Need(BELOW)]
    sources = [each for each in step.sources if not (step.inline and each.lstrip("0123456789").startswith("<<"))]
    paths = [posixpath.normpath("/" + source.lstrip("/")) for source in sources]
    taken = Need(FILES, step.origin, tuple(paths), _selector(paths), filtered=bool(step.exclude))
    needs = [*below, *([taken] if paths else [])]
    actions = [_copied(step, posixpath.basename(path) or "/", owner, wide=True) for path in paths]
    takes = [len(below)] * len(paths)
    for doc in step.inline:
        made = _written(doc.name, doc.content, 0o644)
        takes.append(len(needs))
        needs.append(Need(INLINE, doc.name, (f"/{doc.name}",), digest_of(f"/{doc.name}".encode()), made))
        actions.append(_copied(step, doc.name, owner, wide=False))
    return Operation(_file(actions, _order(takes, len(below), len(needs))), tuple(needs), linked)


def _order(takes: Sequence[int], below: int, needs: int) -> list[list[int]]:
    """For each action what it is done on, which is what the one before gave, what it takes, and which output it is."""
    last = len(takes) - 1
    return [
        [below - 1 if not number else needs + number - 1, take, 0 if number == last else _NONE]
        for number, take in enumerate(takes)
    ]


def _added(step: CopyStep, scratch: bool, linked: bool, owner: dict[str, Any] | None) -> Operation | None:
    """ADD of URLs and repositories, and nothing beside them."""
    below = [] if scratch else [Need(BELOW)]
    needs, actions = list(below), []
    for source in step.sources:
        git = giturl.is_git(source)
        name = "" if git else filenames.of_address(source).decode(errors="replace")
        if step.inline or not (git or source.startswith(("http://", "https://"))) or wild(name):
            return None
        needs.append(Need(REMOTE, source, (f"/{name}",), digest_of(f"/{name}".encode())))
        actions.append(_copied(step, name or "/", owner, wide=False, unpack=bool(step.extract) and not git))
    takes = range(len(below), len(needs))
    return Operation(_file(actions, _order(takes, len(below), len(needs))), tuple(needs), linked)


def run(
    step: RunStep, scratch: bool, platform: Platform, network: str, hosts: Sequence[str], hostname: str,
    limits: Mapping[str, Any] | None = None,
) -> Operation | None:  # fmt: skip
    """RUN. ``network``: the step's or else the build's; ``hosts``: ``name:address``; ``hostname``: "" for the usual;
    ``limits``: as in a HostConfig."""
    limits = limits or {}
    if step.devices or network not in _NETWORKS or limits.keys() - _LIMITS:
        return None
    size = limits.get("ShmSize")
    own = (*step.mounts, Mount("tmpfs", target="/dev/shm", size=size)) if size else step.mounts
    found = _scripted(step, own, scratch) if step.scripts else _mounts(own, scratch)
    if found is None:
        return None
    mounts, needs = found
    environment = list(step.sequence)
    agents = [mount["dest"] for mount in mounts if mount.get("mountType") == _SSH]
    if agents and not any(word.startswith("SSH_AUTH_SOCK=") for word in environment):
        environment.append(f"SSH_AUTH_SOCK={agents[0]}")
    meta: dict[str, Any] = {"args": list(step.words), "env": environment, "cwd": step.workdir}
    if step.user:
        meta["user"] = step.user
    if hosts:
        meta["extraHosts"] = [{"Host": host.partition(":")[0]} for host in hosts]
    if hostname:
        meta["hostname"] = hostname
    if limits.get("Ulimits"):
        meta["ulimit"] = [_filled({key: each[key] for key in ("Name", "Soft", "Hard")}) for each in limits["Ulimits"]]
    if limits.get("CgroupParent"):
        meta["cgroupParent"] = limits["CgroupParent"]
    meta["removeMountStubsRecursive"] = True
    secrets = [_secret_variable(mount) for mount in step.mounts if mount.type == "secret" and mount.env]
    document = {
        "meta": meta, "mounts": mounts if len(mounts) > 1 else None, "network": _NETWORKS[network],
        "security": int(step.insecure), "secretenv": secrets,
    }  # fmt: skip
    of = {"Type": "buildkit.exec.v0", "Exec": _filled(document), "OS": platform.os, "Arch": platform.architecture}
    return Operation(digest_of(_json(of | ({"Variant": platform.variant} if platform.variant else {}))), needs)


def _mounts(mounts: Sequence[Mount], scratch: bool) -> tuple[list[dict[str, Any]], tuple[Need, ...]] | None:
    """The mounts as BuildKit orders them, the root first, and the inputs that they make."""
    shown: list[dict[str, Any]] = [_filled({"input": _NONE if scratch else 0}) | {"dest": "/"}]
    taken: dict[str, list[str]] = {}
    first = 0 if scratch else 1
    for mount in sorted((each for each in mounts if each.type in ("bind", "cache", "tmpfs")), key=lambda m: m.target):
        made = _mount(mount, taken, first)
        if made is None:
            return None
        shown.append(made)
    shown += [_secret(mount) for mount in mounts if mount.type == "secret" and (mount.target or not mount.env)]
    shown += [_agent(mount, at) for at, mount in enumerate(each for each in mounts if each.type == "ssh")]
    below = () if scratch else (Need(BELOW, selector=_ROOT),)
    return shown, (*below, *(Need(FILES, origin, tuple(paths), _joined(paths)) for origin, paths in taken.items()))


def _scripted(
    step: RunStep, own: Sequence[Mount], scratch: bool
) -> tuple[list[dict[str, Any]], tuple[Need, ...]] | None:
    """The same with a script that was written in place; None beside mounts that would come before or after it."""
    found = _mounts(own, scratch)
    if found is None or len(step.scripts) > 1 or any(mount.type in ("bind", "cache", "tmpfs") for mount in own):
        return None
    (mounts, below), ((place, text),) = found, step.scripts
    folder, _, name = place.rpartition("/")
    made = _written(name, text, 0o755)
    shown = _filled({"input": len(below), "dest": f"{folder}/", "output": _NONE, "readonly": True})
    return [mounts[0], shown, *mounts[1:]], (*below, Need(INLINE, name, (f"/{name}",), _ROOT, made))


def _written(name: str, text: str, mode: int) -> str:
    """The digest of a file that is written in place, and nothing else there."""
    data = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
    return _file([{"path": f"/{name}", "mode": mode, "data": data, "timestamp": -1}], [[_NONE, _NONE, 0]])


def _mount(mount: Mount, taken: dict[str, list[str]], first: int) -> dict[str, Any] | None:
    if mount.type == "tmpfs":
        return {"input": _NONE, "dest": mount.target, "output": _NONE, "mountType": _TMPFS, "TmpfsOpt": _filled({"size":
                mount.size})}  # fmt: skip
    if mount.type == "cache":
        if mount.origin or mount.source or (mount.uid, mount.gid, mount.mode) != (None, None, None):
            return None
        usual = (mount.id or mount.target) == mount.target and mount.sharing == "shared"
        kept = {"ID": f"/{mount.target}"} if usual else {}
        made = {"input": _NONE, "dest": mount.target, "output": _NONE, "readonly": mount.readonly, "mountType": _CACHE}
        return _filled(made) | {"cacheOpt": kept}
    taken.setdefault(mount.origin, []).append(posixpath.normpath("/" + mount.source.lstrip("/")))
    number = first + list(taken).index(mount.origin)
    return _filled({"input": number, "dest": mount.target, "output": _NONE, "readonly": mount.readonly})


def _secret(mount: Mount) -> dict[str, Any]:
    name = _secret_name(mount)
    target = mount.target or f"/run/secrets/{posixpath.basename(name)}"
    mode = 0o400 if mount.mode is None else mount.mode
    option = _filled(
        {"ID": name, "uid": mount.uid or 0, "gid": mount.gid or 0, "mode": mode, "optional": not mount.required}
    )
    return {"input": _NONE, "dest": target, "mountType": _SECRET, "secretOpt": option}


def _secret_variable(mount: Mount) -> dict[str, Any]:
    return _filled({"ID": _secret_name(mount), "name": mount.env, "optional": not mount.required})


def _secret_name(mount: Mount) -> str:
    return mount.id or posixpath.basename(mount.target) or mount.env


def _agent(mount: Mount, number: int) -> dict[str, Any]:
    mode = 0o600 if mount.mode is None else mount.mode
    option = _filled(
        {"ID": mount.id, "uid": mount.uid or 0, "gid": mount.gid or 0, "mode": mode, "optional": not mount.required}
    )
    target = mount.target or f"/run/buildkit/ssh_agent.{number}"
    return {"input": _NONE, "dest": target, "mountType": _SSH, "SSHOpt": option}


def _copied(
    step: CopyStep, name: str, owner: dict[str, Any] | None, *, wide: bool, unpack: bool = False
) -> dict[str, Any]:
    """One source of a copy; ``wide``: of a tree, with links and wildcards, not a file written in place."""
    number = int(step.mode, 8) if step.mode.isdecimal() else -1 if not step.mode else 0
    action = {
        "src": name, "dest": step.destination, "owner": owner, "mode": number,
        "followSymlink": wide, "dirCopyContents": wide,
        "attemptUnpackDockerCompatibility": unpack or (wide and step.remote and step.extract is not False),
        "createDestPath": True, "allowWildcard": wide, "allowEmptyWildcard": wide, "timestamp": -1,
        "exclude_patterns": list(step.exclude), "modeStr": "" if step.mode.isdecimal() else step.mode,
    }  # fmt: skip
    return _filled(action)


def _owner(text: str, scratch: bool) -> dict[str, Any] | None:
    """``user[:group]``; by names they are looked up in the first input, which must be there."""
    names = text.split(":")
    if len(names) > 2 or not all(names):
        return None
    found = [_identity(name, scratch) for name in names]
    return dict(zip(("user", "group"), found, strict=False)) if None not in found else None


def _identity(name: str, scratch: bool) -> dict[str, Any] | None:
    number = 0 if name == "root" else int(name) if name.isdecimal() and len(name) < 10 else None
    if number is not None:
        return {"User": _filled({"byId": number})}
    return None if scratch else {"User": {"byName": {"name": name}}}


def _file(actions: list[dict[str, Any]], order: list[list[int]]) -> str:
    document: dict[str, Any] = {
        "Type": "buildkit.file.v0",
        "Actions": [base64.b64encode(_json(action)).decode() for action in actions],
    }
    if not _usual(order):
        document["indexes"] = order
    return digest_of(_json(document))


def _usual(order: list[list[int]]) -> bool:
    """The order that needs no saying: each action on what the one before it gave."""
    count = len(order)
    return all(
        first == (0 if not number else count + number - 1)
        and second in (_NONE, 1)
        and output == (0 if number == count - 1 else _NONE)
        for number, (first, second, output) in enumerate(order)
    )


def _selector(paths: Sequence[str]) -> str:
    return _joined(sorted(paths, key=lambda path: path.encode("utf-8", "surrogateescape"), reverse=True))


def _joined(paths: Sequence[str]) -> str:
    return digest_of("\0".join(paths).encode("utf-8", "surrogateescape"))


def wild(path: str) -> bool:
    """Whether a path of a Need means any number of files."""
    return has_wildcard(path.replace("\\", ""))


def _filled(document: dict[str, Any]) -> dict[str, Any]:
    """The same without what is zero, empty or nothing."""
    return {key: value for key, value in document.items() if value not in (None, 0, False, "", [])}


def _json(document: dict[str, Any]) -> bytes:
    """As Go's encoder has it, which shows what HTML would take for its own by numbers."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    for char in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode("utf-8", "replace")
