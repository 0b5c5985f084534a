"""``carrack search``: images on Docker Hub, or at another registry that can be searched."""

from carrack.cli.command import Command, write_error
from carrack.cli.render.fields import FILTER, FORMAT, NO_TRUNC, ellipsis, wanted_filters, wanted_form
from carrack.cli.render.table import print_rows
from carrack.client import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_NOT_AUTOMATED = (
    'WARNING: the "is-automated" filter is deprecated, and searching for "is-automated=true" will not yield any '
    "results in future."
)
HEADINGS = {"Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL"}


def _search(session: "Session", parsed: "Parsed") -> int:
    term, form, full, filters = (
        parsed.arguments[0],
        wanted_form(parsed),
        parsed.flag("no-trunc"),
        wanted_filters(parsed),
    )
    if "is-automated" in filters:
        write_error(_NOT_AUTOMATED)
    head, slash, _ = term.partition("/")
    host = head if slash and ("." in head or ":" in head or head == "localhost") else "docker.io"
    account = session.credentials.for_repository(host)
    query = {"limit": parsed.number("limit") or None, "filters": filters or None}
    found = registry.search(session.daemon, term, query, account)
    rows = [_row(result, full) for result in found]
    print_rows(rows, HEADINGS, "Name Description StarCount IsOfficial", form, "*registry.searchContext")
    return 0


def _row(result: "Document", full: bool) -> "dict[str, Any]":
    from carrack.cli.render.functions import Worded

    described = str(result.get("description") or "").replace("\n", " ").replace("\r", " ")
    official = Worded("[OK]", "true") if result.get("is_official") else Worded("", "false")
    return {
        "Name": result.get("name") or "",
        "Description": described if full else ellipsis(described, 45),
        "StarCount": str(result.get("star_count") or 0),
        "IsOfficial": official,
    }


SEARCH = Command(
    "[OPTIONS] TERM",
    "Search Docker Hub for images",
    _search,
    (FILTER, *FORMAT, ("limit", "", "int", "Max number of search results"), NO_TRUNC),
    least=1,
    most=1,
    example="carrack search --filter is-official=true --limit 5 nginx",
)
