"""What the API shows of an image: `inspect`, `history`, and the row of a list. Values in, documents out.

Shapes are those of API 1.51; what older versions had beside them is added where the version asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from carrack.engine.images.image import Image, moment
from carrack.model import times

Document = dict[str, Any]
Version = tuple[int, int]

_NEWEST: Version = (1, 51)
_SECOND = 1_000_000_000
_NO_TAG = "<none>:<none>"
_NO_DIGEST = "<none>@<none>"

# The members that configs carried before API 1.50, with the values that no image ever set otherwise.
_OLD_CONFIG: Mapping[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
_ALWAYS = {
    key: _OLD_CONFIG[key] for key in ("Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "User", "Volumes", "WorkingDir")
}
_CONFIG = (*_ALWAYS, "ArgsEscaped", "ExposedPorts", "Healthcheck", "Shell", "StopSignal")


def inspect(image: Image, driver: str, *, version: Version = _NEWEST) -> Document:
    """The whole of an image, as `GET /images/{name}/json` shows it."""
    config = image.config
    document: Document = {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.repo_digests),
        "Parent": image.parent,
        "Comment": config.get("comment") or _last_comment(image),
        "Created": config.get("created") or (times.ZERO if version < (1, 44) else ""),
        **_made_from(image, version),
        "DockerVersion": config.get("docker_version", ""),
        "Author": config.get("author", ""),
        "Architecture": config.get("architecture", ""),
        **_given("Variant", config.get("variant")),
        "Os": config.get("os", ""),
        **_given("OsVersion", config.get("os.version")),
        "Size": image.size,
        **({"VirtualSize": image.size} if version < (1, 44) else {}),
        "GraphDriver": {"Data": {}, "Name": driver},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Metadata": {"LastTagTime": times.rfc3339(image.last_tagged)},
        "Config": _config(image, version),
    }
    if not document["Created"] and version >= (1, 44):
        document.pop("Created")
    return document


def _given(name: str, value: object) -> Document:
    return {name: value} if value else {}


def summary(image: Image, *, version: Version = _NEWEST, shared: int = -1, containers: int = -1) -> Document:
    """A row of `GET /images/json`. -1 stands for "not computed"."""
    untagged = not image.references and version < (1, 43)
    document: Document = {
        "Containers": containers,
        "Created": image.created // _SECOND,
        "Id": image.id,
        "Labels": dict(sorted(image.labels.items())) if image.labels else None,
        "ParentId": image.parent,
        "RepoDigests": [_NO_DIGEST] if untagged else list(image.repo_digests) or (None if version < (1, 43) else []),
        "RepoTags": [_NO_TAG] if untagged else list(image.tags),
        "SharedSize": shared,
        "Size": image.size,
    }
    if version < (1, 44):
        document["VirtualSize"] = image.size
    return document


def history(image: Image, layer_size: Callable[[str], int], parent: Callable[[str], Image | None]) -> list[Document]:
    """The steps an image was made in, the newest first. `parent` finds the images it was made from here."""
    rows: list[Document] = []
    remaining = iter(image.diff_ids)
    for step in image.config.get("history", []):
        diff_id = None if step.get("empty_layer") else next(remaining, None)
        rows.append(_step(step, layer_size(diff_id) if diff_id is not None else 0))
    rows.extend(_step({}, layer_size(diff_id)) for diff_id in remaining)
    rows.reverse()
    current: Image | None = image
    for row in rows:
        if current is None:
            break
        row["Id"], row["Tags"] = current.id, list(current.tags) or None
        current = parent(current.parent) if current.parent else None
    return rows


def shared_sizes(images: Iterable[Image], layer_size: Callable[[str], int]) -> dict[str, int]:
    """For each image id, the bytes of its layers that another of `images` has too."""
    every = list(images)
    users: dict[str, int] = {}
    for image in every:
        for diff_id in set(image.diff_ids):
            users[diff_id] = users.get(diff_id, 0) + 1
    return {image.id: sum(layer_size(d) for d in image.diff_ids if users[d] > 1) for image in every}


def _step(step: Mapping[str, Any], size: int) -> Document:
    return {
        "Comment": step.get("comment", ""),
        "Created": moment(step.get("created", "")) // _SECOND,
        "CreatedBy": step.get("created_by", ""),
        "Id": "<missing>",
        "Size": size,
        "Tags": None,
    }


def _last_comment(image: Image) -> str:
    steps = image.config.get("history", [])
    return steps[-1].get("comment", "") if steps else ""


def _config(image: Image, version: Version) -> Document:
    """What containers get, by sorted keys; dockerd shows some members that are empty, and older versions more."""
    found: Document = dict(image.config.get("config", {}))
    config = {key: found[key] for key in _CONFIG if found.get(key)}
    shown = {**_ALWAYS, **config} if version >= (1, 50) else {**_OLD_CONFIG, **config}
    return {key: dict(sorted(value.items())) if type(value) is dict else value for key, value in sorted(shown.items())}


def _made_from(image: Image, version: Version) -> Document:
    """The container that an image was committed from, which images no longer tell."""
    if version >= (1, 45):
        return {}
    made: Document = dict(image.config)
    told = _given("Container", made.get("container"))
    return {**told, "ContainerConfig": {**_OLD_CONFIG, **(made.get("container_config") or {})}}
