"""``carrack images``: the images and their tags."""

from carrack.cli.command import Command, write
from carrack.cli.render.fields import (
    FILTER,
    FORMAT,
    NO_TRUNC,
    NO_VALUE,
    NOT_AVAILABLE,
    ago,
    local_time,
    short_id,
    size,
    wanted_filters,
    wanted_form,
)
from carrack.cli.render.table import print_rows
from carrack.client import images
from carrack.errors import InvalidArgument
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "VIRTUAL SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}


def _images(session: "Session", parsed: "Parsed") -> int:
    filters = wanted_filters(parsed)
    if parsed.arguments:
        filters.setdefault("reference", {})[parsed.arguments[0]] = True
    if parsed.flag("tree"):
        return _tree(session, parsed, filters)
    form, full = wanted_form(parsed, session.settings.text("imagesFormat")), parsed.flag("no-trunc")
    digests = parsed.flag("digests") or ".Digest" in form
    query = {"all": parsed.flag("all"), "filters": filters or None, "digests": digests}
    found = [{**item, "Containers": -1} for item in images.listing(session.daemon, query)]  # only df tells
    rows = [each for item in found for each in rows_of(item, full, digests)]
    if parsed.flag("quiet") and form in ("", "table"):
        for each in rows:
            write(each["ID"])
        return 0
    usual = "Repository Tag" + (" Digest" if parsed.flag("digests") else "") + " ID CreatedSince Size"
    print_rows(rows, HEADINGS, usual, form, "*formatter.imageContext", quiet=parsed.flag("quiet"))
    return 0


def _tree(session: "Session", parsed: "Parsed", filters: "dict[str, Any]") -> int:
    from carrack.cli.image_tree import tree

    for other in ("quiet", "digests", "format", "json"):  # a tree is for eyes
        if parsed.given(other):
            raise InvalidArgument(f"conflicting options: --tree and --{other}")
    query = {"all": parsed.flag("all"), "filters": filters or None, "manifests": True}
    write("\n".join(tree(images.listing(session.daemon, query), parsed.flag("no-trunc"), parsed.flag("all"))))
    return 0


def rows_of(item: "Document", full: bool = False, digests: bool = False) -> "list[dict[str, Any]]":
    """One row per tag (and digest when wanted) of an image, one with ``<none>`` when it has neither."""
    tags = [images.split_reference(name) for name in item.get("RepoTags") or [] if name != "<none>:<none>"]
    known = [name.partition("@")[::2] for name in item.get("RepoDigests") or [] if not name.startswith("<none>")]
    if digests:
        names = [(r, t, d) for r, t in tags for d in [d for other, d in known if other == r] or [NO_VALUE]]
        names += [(r, NO_VALUE, d) for r, d in known if r not in {repository for repository, _ in tags}]
    else:
        names = [(r, t, NO_VALUE) for r, t in tags] or [(r, NO_VALUE, NO_VALUE) for r, _ in known[:1]]
    return [_row(item, full, *name) for name in names or [(NO_VALUE, NO_VALUE, NO_VALUE)]]


def _row(item: "Document", full: bool, repository: str, tag: str, digest: str) -> "dict[str, Any]":
    total, shared, used = item.get("Size") or 0, item.get("SharedSize", -1), item.get("Containers", -1)
    return {
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "ID": short_id(item["Id"], full),
        "CreatedSince": ago(item["Created"]) if item["Created"] > 0 else NOT_AVAILABLE,
        "CreatedAt": local_time(item["Created"]),
        "Size": size(total),
        "Containers": str(used) if used >= 0 else NOT_AVAILABLE,
        "VirtualSize": human_size(total),
        "SharedSize": human_size(shared) if shared >= 0 else NOT_AVAILABLE,
        "UniqueSize": human_size(total - shared) if shared >= 0 else NOT_AVAILABLE,
    }


IMAGES = Command(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    _images,
    (
        ("all", "a", "bool", "Show all images (default hides intermediate images)"),
        ("digests", "", "bool", "Show digests"),
        FILTER,
        *FORMAT,
        NO_TRUNC,
        ("quiet", "q", "bool", "Only show image IDs"),
        ("tree", "", "bool", "List images with the platforms they are for, as a tree"),
    ),
    most=1,
    example="carrack images --filter dangling=true\ncarrack images --format '{{.Repository}}:{{.Tag}} {{.Size}}'",
)
