"""Questions about a Dockerfile instead of its build (``buildx build --check``, ``--call``): frontend subrequests.

The answer is the metadata of a result without files: ``result.json`` is what the client shows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from carrack.dockerfile import answers, checks, file
from carrack.dockerfile.ignore import Ignored
from carrack.dockerfile.problem import DockerfileError
from carrack.engine.build.checking import variables
from carrack.errors import NotSupported

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from carrack.api.buildkit.attributes import Wanted
    from carrack.dockerfile.checks import Environment
    from carrack.engine.build.checking import Known
    from carrack.oci.platform import Platform

LINT, OUTLINE, TARGETS, DESCRIBE = (
    "frontend.lint",
    "frontend.outline",
    "frontend.targets",
    "frontend.subrequests.describe",
)
_VERSION = "1.0.0"
_DESCRIBED = {
    OUTLINE: "List all parameters current build target supports",
    TARGETS: "List all targets current build supports",
    LINT: "Lint a Dockerfile",
    DESCRIBE: "List available subrequest types",
}
Metadata = dict[str, bytes]


async def answer(wanted: Wanted, source: bytes, patterns: Sequence[str], bases: Known, platform: Platform) -> Metadata:
    """The answer to ``wanted.request`` about a Dockerfile; ``patterns``: what its context leaves out.

    Raises NotSupported for another question, DockerfileError where it cannot be answered.
    """
    if wanted.request == DESCRIBE:
        described = [
            {"name": name, "version": _VERSION, "type": "rpc", "description": text} for name, text in _DESCRIBED.items()
        ]
        return _metadata(described)
    if wanted.request == LINT:
        return await _lint(wanted, source, patterns, bases, platform)
    text = source if wanted.request in (OUTLINE, TARGETS) else None
    if text is None:
        raise NotSupported(f"the request {wanted.request} is not supported: {', '.join(_DESCRIBED)} are")
    parsed = file.parse(text)
    if wanted.request == TARGETS:
        return _metadata(answers.targets(parsed))
    return _metadata(answers.taken(parsed, wanted.arguments, wanted.target))


async def _lint(wanted: Wanted, source: bytes, patterns: Sequence[str], bases: Known, platform: Platform) -> Metadata:
    try:
        parsed = file.parse(source)
        environment = await _environment(parsed, wanted, bases, platform)
        found = checks.check(parsed, wanted.arguments, environment, Ignored(list(patterns)))
        told = answers.lint(found, wanted.filename, source)
    except DockerfileError as error:
        found, told = [], answers.unreadable(error, wanted.filename, source)
    failed = bool(found) or "buildError" in told
    return {**_metadata(told), "result.statuscode": str(int(failed)).encode()}


async def _environment(parsed: file.Dockerfile, wanted: Wanted, bases: Known, platform: Platform) -> Environment:
    """The variables of those images that are here."""
    asked: list[str] = []
    checks.check(parsed, wanted.arguments, asked.append)
    known: dict[str, Collection[str]] = {}
    for name in asked:
        image = await bases.known(name, platform) if name and name not in wanted.contexts else None
        if image is not None:
            known[name] = variables(image)
    return known.get


def _metadata(told: Any) -> Metadata:
    return {"result.json": json.dumps(told, indent=2).encode(), "version": _VERSION.encode()}
