"""``carrack image explain`` and ``image diff``: what an image is made of, and how two differ."""

from carrack.cli.command import Command, checked, write
from carrack.cli.render.fields import FORMAT, NO_TRUNC, ellipsis, size, wanted_form
from carrack.cli.render.table import layout, print_rows
from carrack.client import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_WIDTH = 60
_MOST = 100_000  # as many as the daemon tells at the most
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_ONCE = ("Size", "Bytes", "Hidden", "Duplicate", "Id")


def _explain(session: "Session", parsed: "Parsed") -> int:
    top = parsed.number("top")
    most = 10 if top is None else top
    report = images.explain(session.daemon, checked(parsed.arguments[0]), most)
    form = wanted_form(parsed)
    if form:
        print_rows([report], {key: key.upper() for key in _ONCE}, "", form, "*formatter.explainContext")
        return 0
    full = parsed.flag("no-trunc")
    lines = [["LAYER", "SIZE", "FILES", "WASTE", "HIDES", "CREATED BY"]]
    lines += [_layer(number, row, full) for number, row in enumerate(report["Layers"], 1)]
    write("\n".join(layout(lines, least=0)))
    write("\n" + _verdict(report))
    _section("Largest files that higher layers hide:", [_waste(each) for each in report["Waste"]])
    _section("Largest files that are there more than once:", [_twice(each, full) for each in report["Duplicates"]])
    return 0


def _layer(number: int, row: "Document", full: bool) -> list[str]:
    made = " ".join((row.get("CreatedBy") or "").split())
    return [
        str(number), size(row["Size"]), str(row["Files"]), _bytes(row["Hidden"]), _bytes(row["Hides"]),
        made if full else ellipsis(made, _WIDTH),
    ]  # fmt: skip


def _verdict(report: "Document") -> str:
    total, waste = report["Bytes"], report["Hidden"]
    share = 100 * (total - waste) / total if total else 100.0
    said = f"Of {size(total)} in files {size(total - waste)} can be seen ({share:.1f}%), {size(waste)} cannot"
    return f"{said}; {size(report['Duplicate'])} are there more than once."


def _waste(each: "Document") -> list[str]:
    what = {
        "deleted": f"deleted by layer {each['By'] + 1}",
        "overwritten": f"overwritten by layer {each['By'] + 1}",
        "unchanged": f"written again by layer {each['By'] + 1} with the same content",
    }[each["Kind"]]
    return [size(each["Size"]), f"layer {each['Layer'] + 1}", what, each["Path"]]


def _twice(each: "Document", full: bool) -> list[str]:
    paths = each["Paths"]
    shown = paths if full else paths[:3]
    more = f" and {len(paths) - len(shown)} more" if len(shown) < len(paths) else ""
    return [size(each["Wasted"]), f"{len(paths)} paths", " ".join(shown) + more]


def _section(title: str, lines: list[list[str]]) -> None:
    if lines:
        write("\n" + title)
        write("\n".join(f"  {line}" for line in layout(lines, least=0)))


def _bytes(number: int) -> str:
    return size(number) if number else "-"


def _diff(session: "Session", parsed: "Parsed") -> int:
    form = wanted_form(parsed)
    old, new = (checked(name) for name in parsed.arguments)
    report = images.diff(session.daemon, old, new, full=parsed.flag("full"), most=_MOST)
    wanted = [name for name in ("config", "packages", "files") if parsed.flag(name)] or ["config", "packages", "files"]
    if form:
        headings = {key: key.upper() for key in report}
        print_rows([report], headings, "", form, "*formatter.imageDiffContext")
        return 0
    parts = {"config": _config, "packages": _packages, "files": _files}
    said = [text for name in wanted if (text := "\n".join(parts[name](report)))]
    write("\n\n".join(said) if said else "No difference but, at the most, in times.")
    return 0


def _config(report: "Document") -> list[str]:
    lines = [_before_after(each, each["Field"], None) for each in report["Config"]]
    return ["Config:", *_indented(lines)] if lines else []


def _packages(report: "Document") -> list[str]:
    lines = [_before_after(each, each["Name"], each["Manager"]) for each in report["Packages"]]
    said = ["Packages:", *_indented(lines)] if lines else []
    return said + [f"(the packages of {name} are not read)" for name in report["Unread"]]


def _before_after(each: "Document", name: str, kind: str | None) -> list[str]:
    before, after = each["Before"], each["After"]
    sign = "+" if before in (None, "") else "-" if after in (None, "") else "~"
    values = " → ".join(_value(value) for value in (before, after) if value not in (None, ""))
    return [sign, *([kind] if kind else []), name, values]


def _value(value: "Any") -> str:
    from carrack.client import document

    return value if isinstance(value, str) else "" if value is True else document.dumps(value)


def _files(report: "Document") -> list[str]:
    sums = ((kind, report[kind.capitalize()]) for kind in ("added", "removed", "changed"))
    said = ", ".join(f"{each['Files']} {kind} ({size(each['Bytes'])})" for kind, each in sums if each["Files"])
    if not said:
        return []
    lines = [_change(each) for each in report["Changes"]]
    more = [f"  … the first {_MOST}"] if report["Truncated"] else []
    return [f"Files: {said}", *_indented(lines), *more]


def _change(each: "Document") -> list[str]:
    what = ", ".join(each.get("What", ()))
    number = each.get("Files", 0)
    count = f"{number} file{'s' if number > 1 else ''}" if number else ""
    amount = size(each["Size"])
    if "content" in each.get("What", ()) and each["Before"] != each["Size"]:
        amount = f"{size(each['Before'])} → {amount}"
    return [_SIGNS[each["Kind"]], each["Path"], amount, what or count]


def _indented(lines: list[list[str]]) -> list[str]:
    return [f"  {line}".rstrip() for line in layout(lines, least=0)]


EXPLAIN = Command(
    "[OPTIONS] IMAGE",
    "Show what of an image is waste: by layer, by file",
    _explain,
    (
        ("top", "n", "int", "How many of the largest files to show (default 10)"),
        NO_TRUNC,
        *FORMAT,
    ),
    least=1,
    most=1,
    example="carrack image explain web:latest\ncarrack image explain --json web:latest",
)
DIFF = Command(
    "[OPTIONS] IMAGE IMAGE",
    "Show how an image differs from another: config, packages and files",
    _diff,
    (
        ("config", "", "bool", "Compare the configs only"),
        ("files", "", "bool", "Compare the files only"),
        ("full", "", "bool", "Show every file of directories that are new or gone"),
        ("packages", "", "bool", "Compare the packages only"),
        *FORMAT,
    ),
    least=2,
    most=2,
    example="carrack image diff web:1 web:2\ncarrack image diff --packages debian:12 debian:13",
)
