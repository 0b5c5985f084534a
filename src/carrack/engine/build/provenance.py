"""How an image came to be, as SLSA provenance in BuildKit's words: version 0.2 by default, 1 where it is asked for.

Mode ``min`` tells which sources and parameters were used, without what may be private (build arguments, labels); mode
``max`` tells all, the Dockerfile and the graph of operations included.
Source: BuildKit, docs/attestations/slsa-definitions.md; SLSA specification, "Provenance" v0.2 and v1.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from carrack.engine.build import graph as graphs
from carrack.errors import InvalidArgument, redacted
from carrack.model import times
from carrack.oci import attestation, purl, reference
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from carrack.engine.build.trace import Base, Trace
    from carrack.oci.attestation import Describe
    from carrack.oci.platform import Platform

Document = dict[str, Any]
_TYPES = {
    "v0.2": "https://mobyproject.org/buildkit@v1",
    "v1": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
}
_METADATA = "https://mobyproject.org/buildkit@v1#metadata"
_FRONTEND = "dockerfile.v0"
#: of the attributes: what is told elsewhere, or of the host and not of the build
_LEFT_OUT = {
    "filename", "context", "dockerfilekey", "contextkey", "cgroup-parent", "image-resolve-mode", "platform",
    "cache-imports", "cache-from", "frontend.caps", "cmdline", "source", "requestid", "local-sessionid",
    "multi-platform", "build-arg:BUILDKIT_CACHE_MOUNT_NS",
}  # fmt: skip
_LEFT_OUT_PREFIXES = ("attest:", "vcs:")
_PRIVATE = ("build-arg:", "label:")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the provenance should be like. ``inline_only``: only where it can lie beside an image that leaves."""

    mode: str = "min"
    version: str = "v0.2"
    builder_id: str = ""
    reproducible: bool = False
    inline_only: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """One finished build for one platform. ``attributes``: those of the Dockerfile frontend, whoever asked;
    ``finished`` in nanoseconds since 1970; ``source``: the Dockerfile; ``locals``: names of folders that the client
    gave."""

    trace: Trace
    attributes: Mapping[str, str]
    identity: str
    finished: int
    host: Platform
    source: bytes
    locals: tuple[str, ...] = ("context", "dockerfile")

    @property
    def filename(self) -> str:
        """The Dockerfile's."""
        return self.attributes.get("filename") or "Dockerfile"

    @property
    def online(self) -> bool:
        """Whether a program could have got anything from anywhere."""
        forced = self.attributes.get("force-network-mode", "")
        return any(step.network != "none" and forced != "none" for step in self.trace.runs)


def asked(words: Mapping[str, str]) -> Asked | None:
    """What the words of ``--provenance`` mean; None for none at all. Raises InvalidArgument."""
    if _flag(words, "disabled"):
        return None
    mode, version = words.get("mode", "min"), words.get("version", "v0.2")
    if mode not in ("min", "max"):
        raise InvalidArgument(f"invalid provenance mode {mode!r}: min and max are")
    if version not in _TYPES:
        raise InvalidArgument(f"invalid provenance version {version!r}: {' and '.join(_TYPES)} are")
    known = {"mode", "version", "builder-id", "reproducible", "inline-only", "disabled", "type"}
    if unknown := sorted(words.keys() - known):
        raise InvalidArgument(f"unknown word for provenance: {', '.join(unknown)}")
    return Asked(mode, version, words.get("builder-id", ""), _flag(words, "reproducible"), _flag(words, "inline-only"))


def claim(wanted: Asked, facts: Facts) -> attestation.Claim:
    """The provenance of a build."""
    made = _version_1 if wanted.version == "v1" else _version_0
    return attestation.Claim(
        attestation.SLSA[wanted.version], partial(made, wanted, facts), "provenance.json", wanted.inline_only
    )


def _version_0(wanted: Asked, facts: Facts, describe: Describe) -> Document:
    parameters, whole = _parameters(wanted, facts)
    predicate: Document = {
        "builder": {"id": wanted.builder_id},
        "buildType": _TYPES["v0.2"],
        "materials": materials(facts.trace, facts.attributes.get("context", "")),
        "invocation": {
            "configSource": _entry(facts, "entryPoint"),
            "parameters": parameters,
            "environment": {"platform": str(facts.host)},
        },
    }
    told = _told(wanted, facts, describe)
    if wanted.mode == "max":
        predicate["buildConfig"] = graphs.graph(facts.trace, _contexts(facts)).definition()
    predicate["metadata"] = {
        "buildInvocationID": facts.identity,
        "buildStartedOn": times.rfc3339(facts.trace.started),
        "buildFinishedOn": times.rfc3339(facts.finished),
        "completeness": {"parameters": whole, "environment": True, "materials": not facts.locals},
        "reproducible": wanted.reproducible,
        _METADATA: told,
    }
    if not facts.locals and not facts.online:
        predicate["metadata"]["https://mobyproject.org/buildkit@v1#hermetic"] = True
    return predicate


def _version_1(wanted: Asked, facts: Facts, describe: Describe) -> Document:
    parameters, whole = _parameters(wanted, facts)
    inner: Document = {"builderPlatform": str(facts.host)}
    if wanted.mode == "max":
        inner = {"buildConfig": graphs.graph(facts.trace, _contexts(facts)).definition(), **inner}
    metadata: Document = {
        "invocationId": facts.identity,
        "startedOn": times.rfc3339(facts.trace.started),
        "finishedOn": times.rfc3339(facts.finished),
        "buildkit_metadata": _told(wanted, facts, describe),
        "buildkit_completeness": {"request": whole, "resolvedDependencies": not facts.locals},
    }
    if wanted.reproducible:
        metadata["buildkit_reproducible"] = True
    if not facts.locals and not facts.online:
        metadata["buildkit_hermetic"] = True
    return {
        "buildDefinition": {
            "buildType": _TYPES["v1"],
            "resolvedDependencies": materials(facts.trace, facts.attributes.get("context", "")),
            "externalParameters": {"configSource": _entry(facts, "path"), "request": parameters},
            "internalParameters": inner,
        },
        "runDetails": {"builder": {"id": wanted.builder_id}, "metadata": metadata},
    }


def _entry(facts: Facts, key: str) -> Document:
    remote = redacted(facts.attributes.get("context", ""))
    return {**({"uri": remote} if remote else {}), key: facts.filename}


def _parameters(wanted: Asked, facts: Facts) -> tuple[Document, bool]:
    """The request's, and whether they are all that there were."""
    arguments, whole = {}, True
    for key, value in sorted(facts.attributes.items()):
        if key in _LEFT_OUT or key.startswith(_LEFT_OUT_PREFIXES):
            continue
        if wanted.mode == "min" and key.startswith(_PRIVATE):
            whole = False
            continue
        arguments[key] = redacted(value) if key.startswith("context:") else value
    told: Document = {"frontend": _FRONTEND}
    if arguments:
        told["args"] = arguments
    mounts = [mount for step in facts.trace.runs for mount in step.mounts]
    for kind, key in (("secret", "secrets"), ("ssh", "ssh")):
        needs: dict[str, bool] = {}
        for mount in mounts:
            if mount.type == kind:
                name = mount.id or mount.target.rpartition("/")[2] or ("default" if kind == "ssh" else mount.env)
                needs[name] = needs.get(name, False) or mount.required
        if needs and wanted.mode == "max":
            told[key] = [{"id": name, **({} if needs[name] else {"optional": True})} for name in sorted(needs)]
        whole = whole and not (needs and wanted.mode == "min")
    if facts.locals:
        told["locals"] = [{"name": name} for name in facts.locals]
    return told, whole


def _told(wanted: Asked, facts: Facts, describe: Describe) -> Document:
    """What BuildKit adds of its own: the client's repository, and in full the Dockerfile and the layers."""
    told: Document = {}
    vcs = {key.removeprefix("vcs:"): redacted(value) for key, value in sorted(facts.attributes.items())
           if key.startswith("vcs:")}  # fmt: skip
    if vcs:
        told["vcs"] = vcs
    if wanted.mode != "max":
        return told
    made = graphs.graph(facts.trace, _contexts(facts))
    told["source"] = {
        "locations": graphs.locations(made),
        "infos": [
            {"filename": facts.filename, "language": "Dockerfile", "data": base64.b64encode(facts.source).decode()}
        ],
    }
    if known := graphs.layers(made, describe):
        told["layers"] = known
    return told


def _contexts(facts: Facts) -> dict[str, str]:
    return {
        key.removeprefix("context:"): redacted(value)
        for key, value in facts.attributes.items()
        if key.startswith("context:")
    }


def materials(trace: Trace, context: str = "") -> list[Document]:
    """What was used and comes from elsewhere: images and files by digest, repositories by commit."""
    rows = [_image(base) for _, base in sorted(trace.bases.items())]
    for url, digest in sorted(trace.fetched.items()):
        algorithm, _, value = digest.partition(":")
        rows.append({"uri": redacted(url), **({"digest": {algorithm: value}} if value else {})})
    if context and context not in trace.fetched:
        rows.append({"uri": redacted(context)})
    return rows


def _image(base: Base) -> Document:
    name = base.name.removeprefix("docker-image://")
    try:
        uri = purl.image(reference.parse(name), platforms.parse(base.platform))
    except InvalidArgument:  # called by its id
        uri = name
    algorithm, _, value = base.digest.partition(":")
    return {"uri": uri, **({"digest": {algorithm: value}} if value else {})}


def _flag(words: Mapping[str, str], name: str) -> bool:
    return words.get(name, "").lower() in ("true", "1")
