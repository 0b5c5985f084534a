"""docs/compatibility.md: each row with what is known of it, from the data, the exceptions and the evidence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.census.evidence import Evidence
from tests.census.rows import COMPLETE, DATA, LATER, Row, matches, table

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
STATES = ("works", "refused", "obsolete", "later")
_TITLES = {
    "endpoint": "Endpoints",
    "parameter": "Parameters of endpoints",
    "request": "Fields of requests",
    "answer": "Fields of answers",
    "command": "Commands",
    "flag": "Flags",
    "surface": "Values, drivers, events, filters, settings",
}
_HEAD = """# Compatibility

Docker's surface, row by row, and what Carrack makes of it. Written by `python -m tests.census` from the data in
`tests/census/data` and from the test suite; a test fails when it is stale.

- *works*: the test that is named sees the effect, inside the container, in the kernel, at the peer, or in an answer
  that equals the one that a real dockerd 28.5 or docker command gave.
- *refused*: this engine or this kernel does not have it and says so clearly; the test that is named sees that.
- *obsolete*: Docker itself ignores or refuses it on Linux; so do we.
- *later*: another part of Carrack's plan; refused by name until then.
"""


class Exceptional(NamedTuple):
    """What is not to work, and why; ``pattern`` is one of names."""

    pattern: str
    state: str
    reason: str


class Judged(NamedTuple):
    """A row and what became of it: one of STATES, or nothing where it is not accounted for."""

    row: Row
    state: str
    told: str


def exceptions() -> list[Exceptional]:
    """The table of what does not work on purpose."""
    return [Exceptional(line["pattern"], line["state"], line["reason"]) for line in table(DATA / "exceptions.tsv")]


def judge(rows: list[Row], evidence: Evidence) -> list[Judged]:
    """Each row by the exceptions first, then by the evidence; other groups' rows without either come later."""
    listed = exceptions()
    found = []
    for row in rows:
        matching = next((e for e in listed if matches(row.name, e.pattern)), None)
        test = evidence.get(row.name, "")
        if matching is not None:
            if matching.state == "refused":
                told = f"{matching.reason} — `{test}`" if test else ""
                found.append(Judged(row, "refused" if test else "", told))
            else:
                found.append(Judged(row, matching.state, matching.reason))
        elif test:
            found.append(Judged(row, "works", f"`{test}`"))
        else:
            found.append(Judged(row, "later" if row.group in LATER else "", ""))
    return found


def render(judged: list[Judged]) -> str:
    """The whole page."""
    parts = [_HEAD, _summary(judged)]
    for group in (*COMPLETE, *LATER):
        parts.append(f"\n## {group.capitalize()}\n")
        for kind, title in _TITLES.items():
            some = [each for each in judged if each.row.group == group and each.row.kind == kind]
            if some:
                parts.append(f"\n### {group.capitalize()}: {title.lower()}\n\n" + _rows(some))
    return "".join(parts)


def counts(judged: list[Judged], group: str) -> Counter[str]:
    """How many rows of a group are in each state; the empty one: not accounted for."""
    return Counter(each.state for each in judged if each.row.group == group)


def _summary(judged: list[Judged]) -> str:
    lines = [
        "\n| group | rows | works | refused | obsolete | later | works, of what is not obsolete |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for group in (*COMPLETE, *LATER):
        number = counts(judged, group)
        total = sum(number.values())
        share = f"{100 * number['works'] / max(1, total - number['obsolete']):.0f} %"
        cells = " | ".join(str(number[state]) for state in STATES)
        lines.append(f"| {group} | {total} | {cells} | {share} |")
    return "\n".join(lines) + "\n"


def _rows(judged: list[Judged]) -> str:
    """A table; rows that share a beginning, a state and what is told of them share a line."""
    lines = ["| | | |", "|---|---|---|"]
    for (begin, state, told), names in _together(judged).items():
        shown = f"`{begin}` " if begin else ""
        shown += ", ".join(f"`{name}`" for name in names)
        lines.append(f"| {_cell(shown)} | {state or '**unaccounted**'} | {_cell(told)} |")
    return "\n".join(lines) + "\n"


def _together(judged: list[Judged]) -> dict[tuple[str, str, str], list[str]]:
    lines: dict[tuple[str, str, str], list[str]] = {}
    for row, state, told in judged:
        begin, arrow, rest = row.name.partition(" → ")
        if row.kind == "answer" and arrow:
            lines.setdefault((begin + " →", state, told), []).append(rest)
        else:
            lines.setdefault(("", state, told), []).append(row.name)
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
