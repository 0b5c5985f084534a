"""``carrack ps``: the containers, running ones unless asked for all."""

from carrack.cli.command import Command, write, write_error
from carrack.cli.render.fields import (
    FILTER,
    FORMAT,
    NO_TRUNC,
    ago,
    ellipsis,
    joined_labels,
    label_getter,
    local_time,
    quoted,
    short_id,
    size,
    wanted_filters,
    wanted_form,
)
from carrack.cli.render.table import print_columns, print_rows
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "State": "STATE",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
}


_USUAL = "Id,Names,Image,ImageID,Command,Created,Ports,Status"
"""What is needed of a row for the usual table."""


def _ps(session: "Session", parsed: "Parsed") -> int:
    last = parsed.number("last") or -1
    limit = 1 if parsed.flag("latest") else max(last, 0)
    form, full = wanted_form(parsed, session.settings.text("psFormat")), parsed.flag("no-trunc")
    sized = parsed.flag("size") or ".Size" in form or "json ." in form
    found = containers.listing(
        session.daemon,
        everything=parsed.flag("all") or limit > 0,
        limit=limit,
        size=sized,
        filters=wanted_filters(parsed),
        fields="" if sized else "Id" if parsed.flag("quiet") else _USUAL if form in ("", "table") else "",
    )
    if parsed.flag("quiet"):
        if form not in ("", "table"):
            write_error("WARNING: Ignoring custom format, because both --format and --quiet are set.")
        label = "container_id: " if form == "raw" else ""
        for item in found:
            write(label + short_id(item["Id"], full))
        return 0
    usual = "ID Image Command RunningFor Status Ports Names" + (" Size" if parsed.flag("size") else "")
    if form in ("", "table"):
        print_columns([[HEADINGS[name], *column(name, found, full)] for name in usual.split()])
    else:
        print_rows([row(item, full) for item in found], HEADINGS, usual, form, "*formatter.ContainerContext")
    return 0


def row(item: "Document", full: bool = False) -> "dict[str, Any]":
    """What a template may show of one entry of the API's listing."""
    return {name: cell(item, full) for name, cell in _CELLS.items()}


def column(name: str, found: "list[Document]", full: bool) -> list[str]:
    """One cell of each entry. Those that many containers have the same are made once."""
    cell, fields = _CELLS[name], _ALIKE.get(name)
    if fields is None:
        return [cell(item, full) for item in found]
    first, second = fields
    made: dict[tuple[Any, Any], str] = {}
    cells = []
    for item in found:
        key = item.get(first), item.get(second)
        text = made.get(key)
        if text is None:
            text = made[key] = cell(item, full)
        cells.append(text)
    return cells


_ALIKE = {"Image": ("Image", "ImageID"), "Command": ("Command", ""), "RunningFor": ("Created", "")}
"""Columns of which many containers have the same cell, and what the cell shows."""


def _mounts(item: "Document", full: bool) -> str:
    mounts = [mount.get("Name") or mount.get("Source", "") for mount in item.get("Mounts") or []]
    return ",".join(mounts if full else [ellipsis(name, 15) for name in mounts])


_CELLS: "dict[str, Callable[[Document, bool], Any]]" = {
    "ID": lambda item, full: short_id(item["Id"], full),
    "Names": lambda item, full: _names(item.get("Names") or [], full),
    "Image": lambda item, full: _image(item, full),
    "Command": lambda item, full: quoted(ellipsis(item.get("Command") or "", 1 << 30 if full else 20)),
    "CreatedAt": lambda item, _: local_time(item["Created"]),
    "RunningFor": lambda item, _: ago(item["Created"]),
    "Ports": lambda item, _: ports(item["Ports"]) if item.get("Ports") else "",
    "State": lambda item, _: item.get("State", ""),
    "Status": lambda item, _: item.get("Status", ""),
    "Size": lambda item, _: _size(item),
    "Labels": lambda item, _: joined_labels(item.get("Labels")),
    "Label": lambda item, _: label_getter(item.get("Labels")),
    "Mounts": _mounts,
    "LocalVolumes": lambda item, _: str(sum(mount.get("Driver") == "local" for mount in item.get("Mounts") or [])),
    "Networks": lambda item, _: ",".join((item.get("NetworkSettings") or {}).get("Networks") or {}),
    "Platform": lambda *_: None,
}  # fmt: skip


def ports(listed: "list[Document]") -> str:
    """``0.0.0.0:8080->80/tcp, 90-91/udp``: neighbours that map to themselves are drawn together.

    The order is docker's: what is closed by a gap, then what was open at the end, then what maps to another port.
    """
    if not listed:
        return ""
    runs: dict[tuple[str, str], tuple[int, int]] = {}
    parts, mapped = [], []
    for port in sorted(listed, key=lambda p: (p["PrivatePort"], p.get("IP", ""), p.get("PublicPort", 0), p["Type"])):
        address, private, public = port.get("IP", ""), port["PrivatePort"], port.get("PublicPort", 0)
        if address and private != public:
            mapped.append(f"{_host(address)}:{public}->{private}/{port['Type']}")
            continue
        key = address, port["Type"]
        first, last = runs.get(key, (private, private - 1))
        if last != private - 1:
            parts.append(_run(*key, first, last))
            first = private
        runs[key] = first, private
    return ", ".join([*parts, *(_run(*key, *span) for key, span in runs.items()), *mapped])


def _run(address: str, kind: str, first: int, last: int) -> str:
    span = str(first) if first == last else f"{first}-{last}"
    return f"{_host(address)}:{span}->{span}/{kind}" if address else f"{span}/{kind}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _names(names: list[str], full: bool) -> str:
    """Without the slash; names that links gave (with a slash in their midst) only in full."""
    if len(names) == 1:
        return names[0].removeprefix("/")
    plain = [name.removeprefix("/") for name in names]
    return ",".join(plain if full else [name for name in plain if "/" not in name])


def _image(item: "Document", full: bool) -> str:
    image: str = item.get("Image") or "<no image>"
    if full:
        return image
    if short_id(item.get("ImageID", "")) == short_id(image):
        return short_id(image)
    return image.partition("@")[0]


def _size(item: "Document") -> str:
    written, total = item.get("SizeRw") or 0, item.get("SizeRootFs") or 0
    return f"{size(written)} (virtual {size(total)})" if total else size(written)


PS = Command(
    "[OPTIONS]",
    "List containers",
    _ps,
    (
        ("all", "a", "bool", "Show all containers (default shows just running)"),
        FILTER,
        *FORMAT,
        ("last", "n", "int", "Show n last created containers (includes all states) (default -1)"),
        ("latest", "l", "bool", "Show the latest created container (includes all states)"),
        NO_TRUNC,
        ("quiet", "q", "bool", "Only display container IDs"),
        ("size", "s", "bool", "Display total file sizes"),
    ),
    example="carrack ps -a --filter status=exited\ncarrack ps --format 'table {{.Names}}\\t{{.Status}}'",
)
