"""The cells of listings: short ids, ages, sizes and labels as docker words them; and the flags every listing has."""

import time

from carrack.errors import InvalidArgument
from carrack.model.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.flags import Flag, Parsed

NO_VALUE = "<none>"
NOT_AVAILABLE = "N/A"

FORMAT: "tuple[Flag, ...]" = (
    ("format", "", "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go TEMPLATE"),
    ("json", "", "bool", "Print JSON, one object a line (the same as --format json)"),
)
FILTER: "Flag" = ("filter", "f", "filter", "Filter output based on conditions provided")
PRUNE_FILTER: "Flag" = ("filter", "", "filter", 'Provide filter values (e.g. "until=24h", "label=KEY=VALUE")')
NO_TRUNC: "Flag" = ("no-trunc", "", "bool", "Don't truncate output")


def wanted_form(parsed: "Parsed", usual: str = "") -> str:
    """What ``--format`` and ``--json`` ask for, or the user's own ``usual`` form; empty for the usual table."""
    if not parsed.flag("json"):
        return parsed.text("format") or ("" if parsed.flag("quiet") else usual)
    if parsed.text("format") not in ("", "json"):
        raise InvalidArgument("conflicting options: cannot specify both --format and --json")
    return "json"


def wanted_filters(parsed: "Parsed") -> "dict[str, Any]":
    """``--filter`` words as the API takes them: ``{"status": {"exited": true}}``."""
    filters: dict[str, dict[str, bool]] = {}
    for key, value in parsed.value("filter") or []:
        filters.setdefault(key, {})[value] = True
    return filters


def prune_filters(parsed: "Parsed", usual: "list[tuple[str, str]]") -> "dict[str, Any]":
    """The filters of a prune: those of the command line, and the user's ``usual`` ones that do not contradict them."""
    filters = wanted_filters(parsed)
    for key, value in usual:
        opposite = "label" if key == "label!" else "label!" if key == "label" else ""
        if value not in filters.get(opposite, ()):
            filters.setdefault(key, {})[value] = True
    return filters


def short_id(identity: str, full: bool = False) -> str:
    """Twelve digits of an id without its algorithm; all of it with ``full``."""
    return identity if full else identity.removeprefix("sha256:")[:12]


def natural(text: str) -> "list[tuple[bool, int, str | int]]":
    """A key to sort names by as people count: ``web2`` before ``web10`` and ``web02``, digits before letters."""
    parts: list[str] = []
    for character in text:
        digit = character.isascii() and character.isdigit()
        if digit and parts and parts[-1][-1:].isdigit():
            parts[-1] += character
        else:
            parts.append(character)
    return [(False, int(p), len(p)) if p.isascii() and p.isdigit() else (True, 0, p) for p in parts]


def ellipsis(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def quoted(text: str) -> str:
    """A text in double quotes with Go's escapes for what does not print."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    return '"' + "".join(named.get(c) or (c if c.isprintable() else f"\\x{ord(c):02x}") for c in text) + '"'


def ago(seconds: float, now: float | None = None) -> str:
    """``3 days ago`` for a moment in seconds since 1970."""
    return human_duration(max((time.time() if now is None else now) - seconds, 0)) + " ago"


def local_time(seconds: float) -> str:
    """A moment in the local zone as Go prints it: ``2026-11-21 05:15:34 +0000 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def size(number: float) -> str:
    return human_size(number, 3)


def joined_labels(labels: "dict[str, str] | None") -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def label_getter(labels: "dict[str, str] | None") -> "Any":
    """The method ``.Label "key"`` of templates."""
    return lambda key: (labels or {}).get(key, "")
