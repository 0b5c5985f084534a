"""``carrack system ports``: who can reach what. Ours; docker has no such verb."""

from carrack.cli.command import Command
from carrack.cli.render.fields import FORMAT, short_id, wanted_form
from carrack.client import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "ID": "CONTAINER ID",
    "Name": "CONTAINER",
    "Published": "PUBLISHED",
    "Port": "PORT",
    "Reach": "REACHABLE FROM",
    "Network": "NETWORK",
    "Warning": "WARNING",
}
_REACH = {
    "allowed": "this host",  # and those that are named
    "host": "this host",
    "containers": "this host and its containers",
    "local": "the local network",
    "routed": "whoever has a route to it",
    "anywhere": "anywhere",
}


def _ports(session: "Session", parsed: "Parsed") -> int:
    form = wanted_form(parsed)
    rows = [row(each) for each in system.ports(session.daemon)]
    from carrack.cli.render.table import print_rows

    usual = "Name Published Port Reach Network" + (" Warning" if any(each["Warning"] for each in rows) else "")
    print_rows(rows, HEADINGS, usual, form, "*formatter.portContext")
    return 0


def row(item: "Document") -> "dict[str, Any]":
    """What a template may show of one published port, or run of ports."""
    address = item["HostIp"]
    host = f"[{address}]" if ":" in address else address
    return {
        "ID": short_id(item["Container"]),
        "Name": item["Name"],
        "Published": f"{host}:{item['HostPort']}/{item['Protocol']}" if item["HostPort"] else "-",
        "Port": item["ContainerPort"] or "-",
        "Reach": ", ".join([_REACH.get(str(item["Reach"]), ""), *item["From"]]),
        "Network": item["Network"],
        "Warning": "; ".join(item["Warnings"]),
    }


PORTS = Command(
    "[OPTIONS]",
    "Show published ports and who can reach them",
    _ports,
    FORMAT,
    example="carrack system ports\ncarrack system ports --format '{{.Name}} {{.Published}} {{.Reach}}'",
)
