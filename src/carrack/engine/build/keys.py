"""Keys of remembered steps: everything that a result depends on, and nothing that it does not.

A key is the digest of three things: what the step lies on (the chain of layers, by content, so that no result is put
onto files it was not made on: CVE-2024-24557), the step itself, and the contents of the files it takes. In none of them
are times, secrets and proxies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from carrack.engine.build.steps import CopyStep, RunStep, Step, WorkdirStep

#: the input that is contents of files
FILES = "files"
_VERSION = 1
_NO_INFLUENCE = ("hidden", "sequence")
_INFLUENCE = {
    kind: tuple(field.name for field in dataclasses.fields(kind) if field.name not in _NO_INFLUENCE)
    for kind in (RunStep, CopyStep, WorkdirStep)
}
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def inputs(step: Step, base: str, files: Mapping[str, str], platform: str) -> dict[str, Any]:
    """What a step depends on, by names that people understand: kept beside the result, to tell later what differed.

    ``base``: the chain id below; ``files``: digests of contents by where they come from.
    """
    document: dict[str, Any] = {"version": _VERSION, "kind": type(step).__name__, "base": base, "platform": platform}
    document |= {name: _plain(getattr(step, name)) for name in _INFLUENCE[type(step)]}
    if isinstance(step, RunStep):
        document["mounts"] = [_without_secrets(mount) for mount in document["mounts"]]
    document[FILES] = dict(sorted(files.items()))
    return document


def key(document: Mapping[str, Any]) -> str:
    """The key of what ``inputs`` gave."""
    text = _encode(document)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}"


def foreign(own: str, source: str) -> str:
    """The key of a result that came out of somebody else's cache: found only by those who name that cache, too."""
    return f"sha256:{hashlib.sha256(f'{own} from {source}'.encode('utf-8', 'surrogateescape')).hexdigest()}"


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The name of the first thing in which two steps differ; "" when in nothing."""
    order = ["kind", "words", "sources", "destination", "base", "env", FILES]
    names = [*order, *sorted((old.keys() | new.keys()) - set(order))]
    return next((name for name in names if old.get(name) != new.get(name)), "")


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The same in words."""
    name = differing(old, new)
    return _DESCRIBE.get(name, _described)(name, old.get(name), new.get(name)) if name else ""


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | None):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _without_secrets(mount: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mount.items() if value not in ("", None, 0, False)}


def _described(name: str, before: Any, after: Any) -> str:
    return f"{name} was {_short(before)}, is {_short(after)}"


def _base(name: str, before: Any, after: Any) -> str:
    return "what it is built on is different: a step before it, or its base image, gave other files"


def _environment(name: str, before: Any, after: Any) -> str:
    old, new = (dict(word.partition("=")[::2] for word in words or ()) for words in (before, after))
    for variable in sorted(old.keys() | new.keys()):
        if old.get(variable) != new.get(variable):
            return f"the variable {variable} was {_short(old.get(variable))}, is {_short(new.get(variable))}"
    return "the order of variables"


def _files(name: str, before: Any, after: Any) -> str:
    old, new = before or {}, after or {}
    changed = [source for source in sorted(old.keys() | new.keys()) if old.get(source) != new.get(source)]
    return f"the files of {', '.join(changed)} are different"


def _words(name: str, before: Any, after: Any) -> str:
    return f"the command was {_short(' '.join(before or ()))}, is {_short(' '.join(after or ()))}"


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(text if len(text) <= 80 else text[:77] + "…")


_DESCRIBE = {"base": _base, "env": _environment, FILES: _files, "words": _words}
