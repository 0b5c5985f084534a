"""The attributes of the Dockerfile frontend, and what each means for a request of the builder.

Source: BuildKit, "Dockerfile frontend" attributes as buildx sends them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from carrack.engine.build import attesting
from carrack.engine.build.caching.wanted import CacheAt
from carrack.engine.build.request import epoch
from carrack.errors import InvalidArgument, NotSupported
from carrack.model.units import parse_bytes

FRONTEND = "dockerfile.v0"
_READERS = ("docker/dockerfile", "docker/dockerfile-upstream")
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_IGNORED = {
    "context", "dockerfilekey", "contextkey", "filename", "source", "cmdline", "frontend.caps", "image-resolve-mode",
    "no-cache", "target", "platform", "add-hosts", "force-network-mode", "shm-size", "ulimit", "cgroup-parent",
    "hostname", "cache-imports", "cache-from", "multi-platform", "requestid", "local-sessionid", "input-metadata",
    "build-arg", "vcs", "contextsubdir", "override-copy-image", "linkedtarget", "context-local-session",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked. ``contexts``: by name, as typed (``local:…``, ``docker-image://…``, …); ``remote``: where the
    main one lies, "" for the client's folder, and ``folder`` where in it; ``dockerfile_here``: the client has the
    Dockerfile all the same; ``request``: a subrequest (``outline``, ``lint`` …) instead of a build, "" for none;
    ``context_key`` and ``dockerfile_key``: what the client calls its folders; ``several``: more than one platform is
    meant, even if it is one."""

    filename: str = "Dockerfile"
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    remote: str = ""
    folder: str = ""
    dockerfile_here: bool = False
    target: str = ""
    platforms: tuple[str, ...] = ()
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    pull: bool = False
    network: str = ""
    extra_hosts: tuple[str, ...] = ()
    hostname: str = ""
    host_config: Mapping[str, object] = field(default_factory=dict)
    epoch: int | None = None
    request: str = ""
    context_key: str = "context"
    dockerfile_key: str = "dockerfile"
    several: bool = False
    cache_imports: tuple[CacheAt, ...] = ()
    attests: attesting.Attests = attesting.NONE

    @property
    def locals(self) -> list[str]:
        """The names of folders that the client has to give."""
        named = [text.partition(":")[2] for text in self.contexts.values() if text.startswith("local:")]
        own = [] if self.remote else [self.context_key]
        return [*own, *([self.dockerfile_key] if own or self.dockerfile_here else []), *named]


def read(attributes: Mapping[str, str]) -> Wanted:
    """The request. Raises InvalidArgument for an attribute that is not known, or a value that is none."""
    prefixed: dict[str, dict[str, str]] = {"build-arg": {}, "label": {}, "context": {}}
    for key, value in attributes.items():
        kind, colon, name = key.partition(":")
        if colon and kind in prefixed:
            prefixed[kind][name] = value
        elif key.partition(":")[0] not in _IGNORED and kind not in ("attest", "vcs", "input-metadata"):
            raise InvalidArgument(f"unsupported attribute of the Dockerfile frontend: {key}")
    stages = frozenset(filter(None, attributes.get("no-cache", "").split(",")))
    arguments = prefixed["build-arg"]
    return Wanted(
        filename=attributes.get("filename") or "Dockerfile",
        arguments=arguments,
        labels=prefixed["label"],
        contexts=prefixed["context"],
        remote=attributes.get("context", ""),
        folder=attributes.get("contextsubdir", ""),
        dockerfile_here="dockerfilekey" in attributes,
        target=attributes.get("target", ""),
        platforms=tuple(filter(None, attributes.get("platform", "").split(","))),
        no_cache="no-cache" in attributes and not stages,
        no_cache_stages=stages,
        pull=attributes.get("image-resolve-mode") == "pull",
        network=_network(attributes.get("force-network-mode", "")),
        extra_hosts=tuple(_hosts(attributes.get("add-hosts", ""))),
        hostname=arguments.get("BUILDKIT_SANDBOX_HOSTNAME") or attributes.get("hostname", ""),
        host_config=_limits(attributes),
        epoch=epoch(arguments),
        request=attributes.get("requestid", ""),
        context_key=attributes.get("contextkey") or "context",
        dockerfile_key=attributes.get("dockerfilekey") or "dockerfile",
        several=_several(attributes),
        cache_imports=tuple(_imports(attributes.get("cache-imports", ""), attributes.get("cache-from", ""))),
        attests=attesting.read(attributes),
    )


def frontend(name: str, attributes: Mapping[str, str]) -> None:
    """Raise NotSupported for a frontend that is not read here: Dockerfiles are, also where an image that reads them is
    named (as a build argument BUILDKIT_SYNTAX does)."""
    source = attributes.get("source", "").removeprefix("docker.io/")
    if name == "gateway.v0" and source.partition(":")[0].partition("@")[0] in _READERS:
        return
    if name != FRONTEND:
        what = f"{name} {source}".strip()
        raise NotSupported(f"the frontend {what} is not supported: {FRONTEND} is")


def _several(attributes: Mapping[str, str]) -> bool:
    text = attributes.get("multi-platform") or attributes.get("build-arg:BUILDKIT_MULTI_PLATFORM") or "false"
    if text.lower() not in _WORDS:
        raise InvalidArgument(f"invalid boolean value for multi-platform: {text}")
    return _WORDS[text.lower()]


def _imports(text: str, old: str) -> list[CacheAt]:
    """Where caches are to come from; ``old`` are references, as clients said it before there were other places."""
    try:
        found = json.loads(text or "[]")
        listed = [CacheAt(str(each["Type"]), {**(each.get("Attrs") or {})}) for each in found]
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise InvalidArgument(f"cache-imports: invalid: {error}") from None
    return listed or [CacheAt("registry", {"ref": ref}) for ref in old.split(",") if ref]


def _network(mode: str) -> str:
    return {"sandbox": "", "": "", "host": "host", "none": "none"}.get(mode, mode)


def _hosts(text: str) -> list[str]:
    return [f"{name}:{address}" for name, _, address in (word.partition("=") for word in text.split(",") if word)]


def _limits(attributes: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if attributes.get("shm-size"):
        found["ShmSize"] = parse_bytes(attributes["shm-size"])
    if attributes.get("cgroup-parent"):
        found["CgroupParent"] = attributes["cgroup-parent"]
    if attributes.get("ulimit"):
        limits = [word.partition("=") for word in attributes["ulimit"].split(",")]
        found["Ulimits"] = [_ulimit(name, value) for name, _, value in limits]
    return found


def _ulimit(name: str, value: str) -> dict[str, Any]:
    soft, _, hard = value.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise InvalidArgument(f"invalid ulimit {name}={value}") from None
