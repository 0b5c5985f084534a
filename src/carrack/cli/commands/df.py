"""``carrack system df``: what takes the disk, and how much of it could be had back."""

from carrack.cli.command import Command, write
from carrack.cli.commands import images, ps, volumes
from carrack.cli.render.fields import FORMAT, NO_VALUE, ago, wanted_form
from carrack.cli.render.table import print_rows, write_columns
from carrack.client import system
from carrack.errors import InvalidArgument
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}
_ACTIVE = ("running", "paused", "restarting")


def _df(session: "Session", parsed: "Parsed") -> int:
    form = wanted_form(parsed)
    if parsed.flag("explain"):
        if parsed.flag("verbose"):
            raise InvalidArgument("conflicting options: cannot specify both --explain and --verbose")
        from carrack.cli.commands.owners import show

        return show(session, form)
    usage = system.disk_usage(session.daemon)
    if parsed.flag("verbose") and form:
        _templated(usage, form)
    elif parsed.flag("verbose"):
        _verbose(usage)
    else:
        print_rows(rows(usage), HEADINGS, " ".join(HEADINGS), form, "*formatter.diskUsageImagesContext")
    return 0


def rows(usage: "Document") -> "list[dict[str, Any]]":
    return [
        _images(usage.get("Images") or [], usage.get("LayersSize") or 0),
        _containers(usage.get("Containers") or []),
        _volumes(usage.get("Volumes") or []),
        _build_cache(usage.get("BuildCache") or []),
    ]


def _row(kind: str, total: int, active: int, used: int, free: int, percent: bool = True) -> "dict[str, Any]":
    share = f" ({100 * free // used}%)" if used > 0 and percent else ""
    return {
        "Type": kind,
        "TotalCount": str(total),
        "Active": str(active),
        "Size": human_size(used),
        "Reclaimable": human_size(free) + share,
    }


def _images(found: "list[Document]", layers: int) -> "dict[str, Any]":
    active = [image for image in found if image.get("Containers", 0) > 0]
    kept = sum(i["Size"] - i["SharedSize"] for i in active if i.get("Size", -1) != -1 and i.get("SharedSize", -1) != -1)
    return _row("Images", len(found), len(active), layers, layers - kept)


def _containers(found: "list[Document]") -> "dict[str, Any]":
    active = [each for each in found if each.get("State") in _ACTIVE]
    total = sum(each.get("SizeRw") or 0 for each in found)
    return _row("Containers", len(found), len(active), total, total - sum(each.get("SizeRw") or 0 for each in active))


def _volumes(found: "list[Document]") -> "dict[str, Any]":
    usage = [volume.get("UsageData") or {"Size": -1, "RefCount": 0} for volume in found]
    active = [each for each in usage if each["RefCount"] > 0]
    total = sum(max(each["Size"], 0) for each in usage)
    return _row("Local Volumes", len(found), len(active), total, total - sum(max(each["Size"], 0) for each in active))


def _build_cache(found: "list[Document]") -> "dict[str, Any]":
    total = sum(each["Size"] for each in found if not each.get("Shared"))
    free = sum(each["Size"] for each in found if not each.get("Shared") and not each.get("InUse"))
    return _row("Build Cache", len(found), sum(bool(each.get("InUse")) for each in found), total, free, percent=False)


def _templated(usage: "Document", form: str) -> None:
    from carrack.cli.render.evaluate import Template
    from carrack.cli.render.functions import Row

    containers = [{**ps.row(each, full=True), "Size": _size(each)} for each in usage.get("Containers") or []]
    found = [row for image in usage.get("Images") or [] for row in images.rows_of(image, full=True)]
    value = Row(
        Images=[Row({**row, "Digest": "" if row["Digest"] == NO_VALUE else row["Digest"]}) for row in found],
        Containers=[Row(row) for row in containers],
        Volumes=[Row(volumes.row(each)) for each in usage.get("Volumes") or []],
        BuildCache=usage.get("BuildCache") or [],
    )
    write(Template("{{json .}}" if form == "json" else form, "*formatter.diskUsageContext").render(value), end="")


def _size(container: "Document") -> str:
    return human_size(container.get("SizeRw") or 0, 3)


def _verbose(usage: "Document") -> None:
    write("Images space usage:\n")
    listed = [row for image in usage.get("Images") or [] for row in images.rows_of(image)]
    headings = {**images.HEADINGS, "UniqueSize": "UNIQUE SIZE"}
    print_rows(listed, headings, "Repository Tag ID CreatedSince Size SharedSize UniqueSize Containers", "", "")
    write("\nContainers space usage:\n")
    found = [{**ps.row(each), "Size": _size(each)} for each in usage.get("Containers") or []]
    print_rows(found, ps.HEADINGS, "ID Image Command LocalVolumes Size RunningFor Status Names", "", "")
    write("\nLocal Volumes space usage:\n")
    print_rows([volumes.row(each) for each in usage.get("Volumes") or []], volumes.HEADINGS, "Name Links Size", "", "")
    write(f"\nBuild cache usage: {_build_cache(usage.get('BuildCache') or [])['Size']}\n")
    heading = ["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"]
    found = sorted(usage.get("BuildCache") or [], key=lambda each: (each.get("LastUsedAt") or "", each["ID"]))
    write_columns([heading, *map(_build_row, found)])


def _build_row(each: "Document") -> list[str]:
    from carrack.model import times

    made, used = (
        ago(times.parse(moment) / 1e9) if moment else "" for moment in (each.get("CreatedAt"), each.get("LastUsedAt"))
    )
    name = each["ID"][:12] + ("*" if each.get("InUse") else "")
    shared = "true" if each.get("Shared") else "false"
    return [name, each["Type"], human_size(each["Size"], 3), made, used, str(each["UsageCount"]), shared]


DF = Command(
    "[OPTIONS]",
    "Show disk usage",
    _df,
    (
        *FORMAT,
        ("explain", "", "bool", "Show who has each byte of the data root, and what nobody has"),
        ("verbose", "v", "bool", "Show detailed information on space usage"),
    ),
    example="carrack system df -v\ncarrack system df --explain",
)
