"""``image ls --tree``: each image with its names, and below it the platforms that its index lists."""

from carrack.cli.render.fields import size
from carrack.cli.render.table import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.client.document import Document

_TITLES = ["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"]
_ABSENT = "not here"


def tree(images: "Sequence[Document]", full: bool = False, everything: bool = False) -> list[str]:
    """Lines for images as the API lists them with ``manifests=1``, the newest first.

    In the column EXTRA stands ``U`` for what containers use. With ``everything`` platforms that are not here are listed
    too, and say so.
    """
    lines = [_TITLES]
    for image in images:
        manifests = [each for each in image.get("Manifests") or () if each["Kind"] == "image"]
        several = len(manifests) > 1
        manifests = [each for each in manifests if everything or each["Available"]]
        names = sorted(image.get("RepoTags") or image.get("RepoDigests") or ["<untagged>"])
        lines += [[name, "", "", "", ""] for name in names[:-1]]
        content = sum(each["Size"]["Content"] for each in manifests)
        unpacked = sum(_unpacked(each) for each in manifests) if several else image["Size"]
        used = (image.get("Containers") or 0) > 0 or any(_users(each) for each in manifests)
        lines.append(
            [names[-1], _short(image["Id"], full), size(unpacked + content), size(content), "U" if used else ""]
        )
        for number, each in enumerate(manifests if several else (), 1):
            branch = "└─ " if number == len(manifests) else "├─ "
            lines.append([branch + _platform(each), _short(each["ID"], full), *_state(each)])
    return [line.rstrip() for line in layout(lines)]


def _state(manifest: "Document") -> list[str]:
    if not manifest["Available"]:
        return ["-", "-", _ABSENT]
    sizes = manifest["Size"]
    return [size(sizes["Total"]), size(sizes["Content"]), "U" if _users(manifest) else ""]


def _platform(manifest: "Document") -> str:
    platform = manifest["ImageData"]["Platform"]
    parts = [platform.get(key) for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part)


def _unpacked(manifest: "Document") -> int:
    unpacked: int = manifest["ImageData"]["Size"]["Unpacked"]
    return unpacked


def _users(manifest: "Document") -> "list[str]":
    users: list[str] = (manifest.get("ImageData") or {}).get("Containers") or []
    return users


def _short(identity: str, full: bool) -> str:
    return identity if full else identity.removeprefix("sha256:")[:12]
