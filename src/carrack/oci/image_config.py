"""Image configs: hostile JSON to a validated document.

The document keeps the specification's own names (config.md), so that nothing is lost between reading and writing.
All of it was written by whoever made the image. It is data for the container only: no label, user or command in it
may ever steer what the host does (CVE-2026-53488), so there is no code here that reads meaning into any of them.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests
from carrack.oci import document
from carrack.oci.manifest import LAYER_LIMIT
from carrack.oci.platform import Platform, normal

SIZE_LIMIT = 8 << 20
HISTORY_LIMIT = 8192


class Healthcheck(TypedDict, total=False):
    Test: list[str]
    Interval: int
    Timeout: int
    StartPeriod: int
    StartInterval: int
    Retries: int


class RunConfig(TypedDict, total=False):
    """The `config` member: what a container made from the image starts with."""

    User: str
    ExposedPorts: dict[str, dict[str, Any]]
    Env: list[str]
    Entrypoint: list[str]
    Cmd: list[str]
    Volumes: dict[str, dict[str, Any]]
    WorkingDir: str
    Labels: dict[str, str]
    StopSignal: str
    ArgsEscaped: bool
    Healthcheck: Healthcheck
    OnBuild: list[str]
    Shell: list[str]


class RootFS(TypedDict):
    """The layers, as digests of their uncompressed tars, base first."""

    type: str
    diff_ids: list[str]


class HistoryEntry(TypedDict, total=False):
    """How one layer, or one step without a layer, came about."""

    created: str
    author: str
    created_by: str
    comment: str
    empty_layer: bool


ImageConfigDocument = TypedDict(
    "ImageConfigDocument",
    {
        "created": str,
        "author": str,
        "architecture": str,
        "variant": str,
        "os": str,
        "os.version": str,
        "os.features": list[str],
        "config": RunConfig,
        "rootfs": RootFS,
        "history": list[HistoryEntry],
        "docker_version": str,
        "comment": str,
        "parent": str,
    },
    total=False,
)

_TEXT_KEYS = (
    "created",
    "author",
    "architecture",
    "variant",
    "os",
    "os.version",
    "docker_version",
    "comment",
    "parent",
)
_RUN_TEXTS = ("User", "WorkingDir", "StopSignal")
_RUN_LISTS = ("Env", "OnBuild", "Shell")
_RUN_COMMANDS = ("Entrypoint", "Cmd")
_RUN_SETS = ("ExposedPorts", "Volumes")
_DURATIONS = ("Interval", "Timeout", "StartPeriod", "StartInterval")
_KEYS = frozenset((*_TEXT_KEYS, "os.features", "config", "rootfs", "history"))
_RUN_KEYS = frozenset((*_RUN_TEXTS, *_RUN_LISTS, *_RUN_COMMANDS, *_RUN_SETS, "Labels", "ArgsEscaped", "Healthcheck"))


def parse(data: bytes, what: str = "image config") -> ImageConfigDocument:
    """Parse and validate an image's config; members that are not the specification's or Docker's are dropped.

    Raises InvalidArgument. The image's id is the digest of `data`, not of what is returned.
    """
    value = document.parse(data, limit=SIZE_LIMIT, what=what)
    document.reject_lookalikes(value, _KEYS, what)
    result: dict[str, Any] = {}
    for key in _TEXT_KEYS:
        if value.get(key) is not None:
            result[key] = document.text(value, key, what)
    if "architecture" not in result or "os" not in result:
        # Docker takes very old configs without these and means its own platform, which no other reader can know.
        raise InvalidArgument(f"{what}: architecture and os are required")
    features = document.texts(value, "os.features", what)
    if features is not None:
        result["os.features"] = features
    result["config"] = _run_config(value.get("config"), f"{what}: config")
    result["rootfs"] = _rootfs(value.get("rootfs"), what)
    result["history"] = _history(value.get("history"), f"{what}: history")
    filled = sum(1 for entry in result["history"] if not entry.get("empty_layer"))
    if filled > len(result["rootfs"]["diff_ids"]):
        raise InvalidArgument(f"{what}: too many non-empty layers in History section")
    return result  # type: ignore[return-value]


def platform_of(config: ImageConfigDocument) -> Platform:
    """The platform an image is for."""
    return normal(
        config.get("os", ""), config.get("architecture", ""), config.get("variant", ""), config.get("os.version", "")
    )


def _rootfs(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: invalid image JSON, no RootFS key")
    if document.text(value, "type", what) != "layers":
        raise InvalidArgument(f'{what}: rootfs.type must be "layers", found {value.get("type")!r}')
    diff_ids = document.texts(value, "diff_ids", f"{what}: rootfs") or []
    if len(diff_ids) > LAYER_LIMIT:
        raise InvalidArgument(f"{what}: {len(diff_ids)} layers are more than the limit of {LAYER_LIMIT}")
    for diff_id in diff_ids:
        digests.validate(diff_id, f"{what}: rootfs.diff_ids")
        if digests.algorithm(diff_id) != "sha256":
            raise InvalidArgument(f"{what}: diff id {diff_id}: only sha256 is supported")
    return {"type": "layers", "diff_ids": diff_ids}


def _history(value: object, what: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > HISTORY_LIMIT:
        raise InvalidArgument(f"{what} must be a list of at most {HISTORY_LIMIT} entries")
    entries = []
    for item in value:
        if not isinstance(item, dict):
            raise InvalidArgument(f"{what}: expected an object, found {document.kind(item)}")
        texts = ("created", "author", "created_by", "comment")
        entry: dict[str, Any] = {key: document.text(item, key, what) for key in texts if item.get(key) is not None}
        empty = item.get("empty_layer", False)
        if not isinstance(empty, bool):
            raise InvalidArgument(f"{what}: empty_layer must be a boolean, found {document.kind(empty)}")
        if empty:
            entry["empty_layer"] = True
        entries.append(entry)
    return entries


def _run_config(value: object, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: expected an object, found {document.kind(value)}")
    document.reject_lookalikes(value, _RUN_KEYS, what)
    result: dict[str, Any] = {}
    for key in _RUN_TEXTS:
        if value.get(key) is not None:
            result[key] = document.text(value, key, what)
    for key in _RUN_LISTS:
        _keep(result, key, document.texts(value, key, what))
    for key in _RUN_COMMANDS:
        # Docker's own type takes a bare string for a list of one.
        command = value.get(key)
        _keep(result, key, [command] if isinstance(command, str) else document.texts(value, key, what))
    for key in _RUN_SETS:
        _keep(result, key, _key_set(value, key, what))
    _keep(result, "Labels", document.text_map(value, "Labels", what))
    escaped = value.get("ArgsEscaped")
    if escaped is not None:
        if not isinstance(escaped, bool):
            raise InvalidArgument(f"{what}: ArgsEscaped must be a boolean, found {document.kind(escaped)}")
        if escaped:
            result["ArgsEscaped"] = True
    if value.get("Healthcheck") is not None:
        result["Healthcheck"] = _healthcheck(value["Healthcheck"], f"{what}: Healthcheck")
    return result


def _keep(result: dict[str, Any], key: str, value: object) -> None:
    if value is not None:
        result[key] = value


def _key_set(value: Mapping[str, Any], key: str, what: str) -> dict[str, dict[str, Any]] | None:
    entries = value.get(key)
    if entries is None:
        return None
    if not isinstance(entries, dict) or not all(item is None or isinstance(item, dict) for item in entries.values()):
        raise InvalidArgument(f"{what}: {key} must be an object of objects")
    return {name: {} for name in entries}


def _healthcheck(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: expected an object, found {document.kind(value)}")
    result: dict[str, Any] = {}
    _keep(result, "Test", document.texts(value, "Test", what))
    for key in (*_DURATIONS, "Retries"):
        if value.get(key) is not None:
            result[key] = document.integer(value, key, what)
    return result
