"""``carrack system df --explain``: who has each byte of the data root. Ours; docker has no such flag."""

from carrack.cli.render.table import print_rows
from carrack.client import system
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.client.document import Document

HEADINGS = {
    "Kind": "KIND",
    "Owner": "OWNER",
    "What": "WHAT",
    "Size": "SIZE",
    "Bytes": "BYTES",
    "Note": "NOTE",
}
_MOST = 3


def show(session: "Session", form: str) -> int:
    """Print the rows, and the sum below the table."""
    account = system.explained(session.daemon)
    rows = [row(each) for each in account["Rows"]]
    if form in ("", "table"):
        total = {**dict.fromkeys(HEADINGS, ""), "Kind": "all", "What": account["Root"]}
        rows.append({**total, "Size": human_size(account["Size"], 3), "Bytes": account["Size"]})
    usual = "Kind Owner What Size" + (" Note" if any(each["Note"] for each in rows) else "")
    print_rows(rows, HEADINGS, usual, form, "*formatter.ownerContext")
    return 0


def row(item: "Document") -> "dict[str, Any]":
    """What a template may show of what one owner, or several together, have."""
    owners = item["Owners"]
    more = f" and {len(owners) - _MOST} more" if len(owners) > _MOST else ""
    return {
        "Kind": item["Kind"],
        "Owner": ", ".join(owners[:_MOST]) + more or "-",
        "What": item["What"],
        "Size": human_size(item["Size"], 3),
        "Bytes": item["Size"],
        "Note": item["Note"],
    }
