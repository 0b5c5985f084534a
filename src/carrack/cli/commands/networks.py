"""``carrack network ls``."""

from carrack.cli.command import Command, describe, write, write_error
from carrack.cli.render.fields import (
    FILTER,
    FORMAT,
    NO_TRUNC,
    joined_labels,
    label_getter,
    short_id,
    wanted_filters,
    wanted_form,
)
from carrack.client import networks
from carrack.client.transport import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}


def _list(session: "Session", parsed: "Parsed") -> int:
    form, full = wanted_form(parsed, session.settings.text("networksFormat")), parsed.flag("no-trunc")
    found = sorted(networks.listing(session.daemon, wanted_filters(parsed)), key=lambda network: str(network["Name"]))
    rows = [_row(network, full) for network in found]
    if parsed.flag("quiet") and form in ("", "table"):
        for row in rows:
            write(row["ID"])
        return 0
    from carrack.cli.render.table import print_rows

    print_rows(rows, HEADINGS, "ID Name Driver Scope", form, "*network.networkContext")
    return 0


def _row(network: "Document", full: bool) -> "dict[str, Any]":
    def truth(key: str, default: bool = False) -> str:
        return "true" if network.get(key, default) else "false"

    return {
        "ID": short_id(network["Id"], full),
        "Name": network["Name"],
        "Driver": network.get("Driver", ""),
        "Scope": network.get("Scope", ""),
        "IPv4": truth("EnableIPv4", True),
        "IPv6": truth("EnableIPv6"),
        "Internal": truth("Internal"),
        "Labels": joined_labels(network.get("Labels")),
        "Label": label_getter(network.get("Labels")),
        "CreatedAt": _go_time(network.get("Created", "")),
    }


def _go_time(text: str) -> str:
    """``2026-11-21T04:54:57.7Z`` as Go prints it."""
    return text.replace("T", " ").replace("Z", " +0000 UTC")


def _remove(session: "Session", parsed: "Parsed") -> int:
    failed, force = 0, parsed.flag("force")
    for name in parsed.arguments:
        try:
            networks.remove(session.daemon, name)
        except Refused as error:
            if force and error.status == 404:
                continue
            write_error(describe(error))
            failed = 1
        else:
            write(name)
    if failed:
        write_error("exit status 1")  # as docker ends it
    return failed


REMOVE = Command(
    "NETWORK [NETWORK...]",
    "Remove one or more networks",
    _remove,
    (("force", "f", "bool", "Do not error if the network does not exist"),),
    least=1,
    most=None,
    example="carrack network rm front",
)
LIST = Command(
    "[OPTIONS]",
    "List networks",
    _list,
    (FILTER, *FORMAT, NO_TRUNC, ("quiet", "q", "bool", "Only display network IDs")),
    example="carrack network ls",
)
