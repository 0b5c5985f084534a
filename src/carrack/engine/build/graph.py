"""A build as a graph of operations, in the members that BuildKit's provenance has: sources, programs, changes of files.

Source: BuildKit, docs/attestations/slsa-provenance.md and the names of its solver's operations; what of them has no
meaning here (the caching of remote sources, resolving modes) is left out. Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carrack.engine.build.steps import CopyStep, RunStep, WorkdirStep
from carrack.engine.build.trace import is_remote, origins
from carrack.errors import InvalidArgument
from carrack.oci import document, reference
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.engine.build.steps import Step
    from carrack.engine.build.trace import Base, Made, Trace
    from carrack.oci.attestation import Describe

Document = dict[str, Any]
_MOST_FOLLOWED = 1000
_NETWORKS = {"host": 1, "none": 2}
#: the numbers of mounts, and where the id is of those that have one: clients read both into types of their own
_MOUNTS = {"bind": 0, "secret": 1, "ssh": 2, "cache": 3, "tmpfs": 4}
_OPTIONS = {"secret": "secretOpt", "ssh": "SSHOpt", "cache": "cacheOpt"}


@dataclass(slots=True)
class Graph:
    """The operations in an order in which they can be done. ``places``: lines of the Dockerfile by operation;
    ``layers``: the chains of layers that are known of outputs."""

    steps: list[Document] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    places: dict[str, Document] = field(default_factory=dict)
    outputs: dict[str, list[str]] = field(default_factory=dict)

    def definition(self) -> Document:
        """As ``buildConfig`` has it."""
        return {"llbDefinition": self.steps, "digestMapping": self.digests}


def graph(trace: Trace, contexts: Mapping[str, str]) -> Graph:
    """The graph of a build's target. ``contexts``: named ones, as typed."""
    drawing = _Drawing(trace, contexts)
    last = drawing.stage(trace.plan.target)
    drawing.add({"Op": {}}, [last] if last else [])
    return drawing.graph


def locations(made: Graph) -> Document:
    """Where in the Dockerfile each operation is."""
    return {name: made.places.get(name, {}) for name in (step["id"] for step in made.steps[:-1])}


def layers(made: Graph, describe: Describe) -> Document:
    """The layers of outputs."""
    return {
        f"{name}:0": [[describe(diff_id).document() for diff_id in chain]]
        for name, chain in made.outputs.items()
        if chain
    }


class _Drawing:
    def __init__(self, trace: Trace, contexts: Mapping[str, str]) -> None:
        self.graph = Graph()
        self._trace = trace
        self._contexts = contexts
        self._stages: dict[int, str] = {}
        self._sources: dict[str, str] = {}

    def add(self, operation: Document, inputs: list[str]) -> str:
        """One more operation; returns its id."""
        name = f"step{len(self.graph.steps)}"
        row: Document = {"id": name, "op": {**operation, "constraints": {}} if operation["Op"] else operation}
        if inputs:
            row["inputs"] = [f"{each}:0" for each in inputs]
        self.graph.steps.append(row)
        digest = hashlib.sha256(document.encode([operation, inputs])).hexdigest()
        self.graph.digests[f"sha256:{digest}"] = name
        return name

    def stage(self, index: int) -> str:
        """The last operation of a stage; "" for one without any."""
        if index not in self._stages:
            self._stages[index] = ""  # a trigger may lead back here; the solver has refused it
            planned = self._trace.plan.stages[index]
            last = "" if planned.parent is None else self.stage(planned.parent)
            key = self._trace.begun.get(index)
            if key is not None and (last := self._image(key)):
                place = planned.stage.base.place
                self.graph.places.setdefault(last, _place(place.line, place.end))
            for made in self._trace.steps.get(index, ()):
                last = self._step(made, last)
            self._stages[index] = last
        return self._stages[index]

    def _step(self, made: Made, below: str) -> str:
        others = [self._origin(each) for each in origins(made.step)]
        if isinstance(made.step, CopyStep):
            others += [self._fetched(each) for each in made.step.sources if made.step.remote and is_remote(each)]
        inputs = list(dict.fromkeys(each for each in (below, *others) if each))
        operation = _operation(made.step, inputs.index(below) if below else -1, inputs)
        name = self.add(operation, inputs)
        self.graph.places[name] = _place(made.line, made.end)
        self.graph.outputs[name] = [*self.graph.outputs.get(below, ()), *([made.layer] if made.layer else [])]
        return name

    def _origin(self, name: str) -> str:
        """The operation that files come from."""
        if not name:
            return self._source("local://context")
        given = self._contexts.get(name)
        if given is not None:
            return self._source(f"local://{given.removeprefix('local:')}" if given.startswith("local:") else given)
        index = self._trace.plan.find(name)
        if index is not None:
            return self.stage(index)
        known = [key for key, base in self._trace.bases.items() if base.name == name]
        return self._image(known[0]) if known else ""

    def _image(self, key: str) -> str:
        base = self._trace.bases.get(key)
        if base is None:
            return ""
        name = self._source(f"docker-image://{_pinned(base)}", base.platform)
        self.graph.outputs[name] = list(base.layers)
        return name

    def _fetched(self, url: str) -> str:
        digest = self._trace.fetched.get(url, "")
        kind, attributes = ("git", {"git.fullurl": url}) if digest.startswith("sha1:") else ("", {})
        if digest and not kind:
            attributes = {"http.checksum": digest}
        return self._source(f"git://{url.partition('://')[2]}" if kind else url, "", attributes)

    def _source(self, identifier: str, platform: str = "", attributes: Mapping[str, str] | None = None) -> str:
        key = f"{identifier} {platform}"
        if key not in self._sources:
            source: Document = {"identifier": identifier, **({"attrs": dict(attributes)} if attributes else {})}
            operation: Document = {"Op": {"source": source}}
            if platform:
                meant = platforms.parse(platform)
                operation["platform"] = {"Architecture": meant.architecture, "OS": meant.os}
            self._sources[key] = self.add(operation, [])
        return self._sources[key]


def _pinned(base: Base) -> str:
    try:
        named = reference.parse(base.name.removeprefix("docker-image://")).with_default_tag()
    except InvalidArgument:  # called by its id
        return base.name
    return f"{named}@{base.digest}" if base.digest and not named.digest else str(named)


def _place(line: int, end: int) -> Document:
    return {"locations": [{"ranges": [{"start": {"line": line}, "end": {"line": end}}]}]}


def _operation(step: Step, below: int, inputs: list[str]) -> Document:
    if isinstance(step, RunStep):
        return {"Op": {"exec": _program(step, below)}}
    if isinstance(step, WorkdirStep):
        made = {"mkdir": {"path": step.path, "mode": 0o755, "makeParents": True, "timestamp": -1}}
        return {"Op": {"file": {"actions": [_action(below, -1, made)]}}}
    other = next((number for number in range(len(inputs)) if number != below), -1)
    actions = [_action(below, other, {"copy": _copy(step, source)}) for source in step.sources[:_MOST_FOLLOWED]]
    return {"Op": {"file": {"actions": actions}}}


def _action(primary: int, secondary: int, action: Document) -> Document:
    return {"input": primary, "secondaryInput": secondary, "output": 0, "Action": action}


def _copy(step: CopyStep, source: str) -> Document:
    copied: Document = {"src": source if is_remote(source) else f"/{source.lstrip('/')}", "dest": step.destination}
    copied |= {"mode": int(step.mode, 8) if step.mode.isdecimal() else -1, "timestamp": -1}
    if step.owner:
        names = zip(("user", "group"), step.owner.split(":"), strict=False)
        copied["owner"] = {kind: {"User": _who(name)} for kind, name in names if name}
    copied |= {"followSymlink": True, "dirCopyContents": True, "createDestPath": True, "allowWildcard": True}
    if step.extract is not False:
        copied["attemptUnpackDockerCompatibility"] = True
    return copied


def _who(name: str) -> Document:
    return {"byId": int(name)} if name.isdecimal() else {"byName": {"name": name}}


def _program(step: RunStep, below: int) -> Document:
    meta: Document = {"args": list(step.words), "env": list(step.env), "cwd": step.workdir}
    if step.user:
        meta["user"] = step.user
    mounts: list[Document] = [{"input": below, "dest": "/", "output": 0}]
    for mount in step.mounts:
        row: Document = {"dest": mount.target, "mountType": _MOUNTS[mount.type], "readonly": mount.readonly}
        if mount.type in _OPTIONS:
            row[_OPTIONS[mount.type]] = {"ID": mount.id or mount.target}
        mounts.append(row)
    done: Document = {"meta": meta, "mounts": mounts}
    if step.network in _NETWORKS:
        done["network"] = _NETWORKS[step.network]
    return {**done, "security": 1} if step.insecure else done
