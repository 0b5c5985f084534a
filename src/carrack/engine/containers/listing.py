"""`ps`: which containers, in which order, and a row for each. Pure but for the sizes, which a callable gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from carrack.engine import health
from carrack.engine.containers import inspect
from carrack.engine.containers.record import Container
from carrack.errors import InvalidArgument
from carrack.model import pattern
from carrack.model.container import Document
from carrack.model.labels import matches
from carrack.model.units import human_duration, human_duration_lasts

Filters = dict[str, list[str]]
NEVER = 1 << 63
STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
FIELDS = (
    "Id", "Names", "Image", "ImageID", "ImageManifestDescriptor", "Command", "Created", "Ports", "Labels", "State",
    "Status", "HostConfig", "NetworkSettings", "Mounts",
)  # fmt: skip
"""What a row has; the manifest of its image is not there for every container."""
_FILTERS = {
    "ancestor", "before", "exited", "id", "isolation", "label", "name", "status", "health", "since", "volume",
    "network", "is-task", "publish", "expose",
}  # fmt: skip


def status(c: Container, now: int) -> str:
    """The words of the STATUS column, like ``Up 5 minutes (Paused)``; ``now`` is nanoseconds since 1970."""
    s = c.state
    if s.status in ("running", "paused"):
        return f"Up {human_duration((now - s.started_at) / 1e9)}{_condition(c)}"
    if s.status == "restarting":
        return f"Restarting ({s.exit_code}) {human_duration((now - s.finished_at) / 1e9)} ago"
    if s.status == "removing":
        return "Removal In Progress"
    if s.status == "dead":
        return "Dead"
    if not s.started_at:
        return "Created"
    return f"Exited ({s.exit_code}) {human_duration((now - s.finished_at) / 1e9)} ago"


def _condition(c: Container) -> str:
    if c.state.status == "paused":
        return " (Paused)"
    if c.state.health is None:
        return ""
    word = c.state.health["Status"]
    return f" (health: {word})" if word == health.STARTING else f" ({word})"


def row_ends(c: Container, now: int) -> int:
    """When the words of a row made now may be others although nothing happened, in nanoseconds since 1970."""
    if c.state.status in ("running", "paused"):
        since = c.state.started_at
    elif c.state.status == "restarting" or (c.state.status == "exited" and c.state.started_at):
        since = c.state.finished_at
    else:
        return NEVER
    return since + int(human_duration_lasts((now - since) / 1e9) * 1e9)


def row(c: Container, now: int) -> Document:
    """One entry of `GET /containers/json`."""
    return {
        "Id": c.id,
        "Names": ["/" + name for name in (c.name, *c.link_names)],
        "Image": c.image,
        "ImageID": c.image_id,
        **inspect.image_manifest(c),
        "Command": " ".join([c.path, *(f"'{word}'" if " " in word else word for word in c.args)]),
        "Created": c.created // 1_000_000_000,
        "Ports": ports(c),
        "Labels": c.config["Labels"] or {},
        "State": c.state.status,
        "Status": status(c, now),
        "HostConfig": {"NetworkMode": c.host_config["NetworkMode"], **_annotations(c)},
        "NetworkSettings": {"Networks": {name: {**one, "DNSNames": None} for name, one in c.endpoints.items()}},
        "Mounts": inspect.mounts(c),
    }


def sized(row: Document) -> Document:
    """A row with its sizes where Docker has them; it leaves the first out when nothing was written."""
    sizes = {name: row[name] for name in ("SizeRw", "SizeRootFs") if row[name] or name == "SizeRootFs"}
    return {
        k: v
        for key in row
        if key not in ("SizeRw", "SizeRootFs")
        for k, v in ((key, row[key]), *(sizes.items() if key == "Ports" else ()))
    }


def _annotations(c: Container) -> Document:
    return {"Annotations": c.host_config["Annotations"]} if c.host_config["Annotations"] else {}


def ports(c: Container) -> list[Document]:
    """The Ports entries of a running container, published and exposed ones."""
    result: list[Document] = []
    for key, bindings in inspect.ports(c).items():
        number, _, protocol = key.partition("/")
        for binding in bindings or [None]:
            entry: Document = {"PrivatePort": int(number), "Type": protocol}
            if binding is not None:
                # a port that is reached at the container's own address (gateway mode routed) has none of the host
                public = {"PublicPort": int(binding["HostPort"])} if binding["HostPort"] else {}
                entry = {"IP": binding["HostIp"], "PrivatePort": int(number), **public, "Type": protocol}
            result.append(entry)
    return sorted(result, key=lambda e: (e["PrivatePort"], e.get("PublicPort", 0), e["Type"]))


def select(
    containers: Iterable[Container],
    find: Callable[[str], Container],
    resolve_image: Callable[[str], set[str]],
    *,
    everything: bool = False,
    limit: int = 0,
    filters: Filters | None = None,
) -> list[Container]:
    """The containers that `ps` shows, newest first. Raises InvalidArgument on an unknown filter or value."""
    filters = filters or {}
    for name in filters:
        if name not in _FILTERS:
            raise InvalidArgument(f"invalid filter '{name}'")
    _check_values(filters)
    newest = sorted(containers, key=lambda c: c.created, reverse=True)
    whole = everything or limit > 0 or bool(filters.get("status"))
    images = {identity for word in filters.get("ancestor", ()) for identity in resolve_image(word)}
    before = min((find(word).created for word in filters.get("before", ())), default=None)
    since = max((find(word).created for word in filters.get("since", ())), default=None)
    chosen = []
    for c in newest:
        if not whole and not c.state.running:
            continue
        if before is not None and c.created >= before:
            continue
        if since is not None and c.created <= since:
            continue
        if filters.get("ancestor") and c.image_id not in images and c.image not in filters["ancestor"]:
            continue
        if not filters or _matches(c, filters):
            chosen.append(c)
    return chosen[:limit] if limit > 0 else chosen


def _check_values(filters: Filters) -> None:
    for value in filters.get("status", ()):
        if value not in STATUSES:
            known = "created, running, paused, restarting, removing, exited, dead"
            told = f"invalid value for state ({value}): must be one of {known}"
            raise InvalidArgument(f"invalid filter 'status={value}': {told}")
    for value in filters.get("exited", ()):
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", value):
            told = f'strconv.Atoi: parsing "{value}": invalid syntax'
            raise InvalidArgument(f"invalid filter 'exited={value}': {told}")
    for what in ("publish", "expose"):
        for value in filters.get(what, ()):
            _port(what, value, None, "")
    for value in filters.get("is-task", ()):
        if value.lower() not in ("true", "1", "false", "0"):
            raise InvalidArgument(f"invalid filter 'is-task=[{value}]'")
    for value in filters.get("health", ()):
        if value not in (health.NONE, health.STARTING, health.HEALTHY, health.UNHEALTHY):
            told = f"invalid value for health ({value}): must be one of none, starting, healthy, unhealthy"
            raise InvalidArgument(f"invalid filter 'health={value}': {told}")


def _matches(c: Container, filters: Filters) -> bool:
    labels = c.config["Labels"] or {}
    tests: dict[str, Callable[[str], bool]] = {
        "id": lambda v: c.id.startswith(v),
        "name": lambda v: pattern.found(v, "/" + c.name, c.name),
        "status": lambda v: c.state.status == v,
        "exited": lambda v: not c.state.running and bool(c.state.started_at) and c.state.exit_code == int(v),
        "health": lambda v: v == (c.state.health["Status"] if c.state.health else health.NONE),
        "volume": lambda v: any(v in (point.get("Name"), point["Destination"]) for point in c.mounts),
        "network": lambda v: v in c.endpoints or any(_is_network(e, v) for e in c.endpoints.values()),
        "is-task": lambda v: v.lower() in ("false", "0"),
        "publish": lambda v: any(_port("publish", v, e.get("PublicPort"), e["Type"]) for e in ports(c)),
        "expose": lambda v: any(
            _port("expose", v, int(k.split("/")[0]), k.split("/")[1]) for k in c.config["ExposedPorts"] or {}
        ),
    }
    for name, values in filters.items():
        if name == "label":
            if not all(matches(labels, value) for value in values):
                return False
        elif name in tests and values and not any(tests[name](value) for value in values):
            return False
    return True


def _is_network(endpoint: Document, word: str) -> bool:
    return bool(word) and str(endpoint.get("NetworkID", "")).startswith(word)


def _port(what: str, wanted: str, port: int | None, protocol: str) -> bool:
    numbers, _, kind = wanted.partition("/")
    words = numbers.split("-", 1)
    for word in words:
        if told := _no_port(word):
            raise InvalidArgument(
                f'error while looking up for {what} {wanted}: strconv.ParseUint: parsing "{word}": {told}'
            )
    first, last = int(words[0]), int(words[-1])
    if last < first:
        raise InvalidArgument(
            f"error while looking up for {what} {wanted}: Invalid range specified for the Port: {numbers}"
        )
    return port is not None and first <= port <= last and protocol == (kind or "tcp")


def _no_port(text: str) -> str:
    """What Go says of a text that is no port's number; empty for one that is."""
    if not text.isascii() or not text.isdecimal():
        return "invalid syntax"
    return "" if len(text.lstrip("0")) <= 5 and int(text) < 65536 else "value out of range"
