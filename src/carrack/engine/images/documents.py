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


def inspect(image: Image, driver: str, *, version: Version = _NEWEST) -> Document:
    """The whole of an image, as `GET /images/{name}/json` shows it."""
    config = image.config
    document: Document = {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.repo_digests),
        "Parent": image.parent,
        "Comment": config.get("comment") or _last_comment(image),
        "Created": config.get("created", ""),
        "DockerVersion": config.get("docker_version", ""),
        "Author": config.get("author", ""),
        "Config": _config(image, version),
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Size": image.size,
        "GraphDriver": {"Data": {}, "Name": driver},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Metadata": {"LastTagTime": times.rfc3339(image.last_tagged)},
    }
    for key, name in (("variant", "Variant"), ("os.version", "OsVersion")):
        if config.get(key):
            document[name] = config[key]  # type: ignore[literal-required]
    if not document["Created"]:
        document.pop("Created")
    return document | _older(image, version)


def summary(image: Image, *, version: Version = _NEWEST, shared: int = -1, containers: int = -1) -> Document:
    """A row of `GET /images/json`. -1 stands for "not computed"."""
    untagged = not image.references and version < (1, 43)
    document: Document = {
        "Containers": containers,
        "Created": image.created // _SECOND,
        "Id": image.id,
        "Labels": image.labels or None,
        "ParentId": image.parent,
        "RepoDigests": [_NO_DIGEST] if untagged else list(image.repo_digests),
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
    config = dict(image.config.get("config", {}))
    if version >= (1, 50):
        return {key: value for key, value in config.items() if value}
    return {**_OLD_CONFIG, **config}


def _older(image: Image, version: Version) -> Document:
    extra: Document = {}
    if version < (1, 44):
        extra["VirtualSize"] = image.size
        extra["Created"] = image.config.get("created") or times.ZERO
    if version < (1, 45):
        extra["Container"] = ""
        extra["ContainerConfig"] = {**_OLD_CONFIG}
    return extra
