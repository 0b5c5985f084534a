"""Write docs/compatibility.md: `python -m tests.census`; with `--missing [GROUP]`, list the rows without an account."""

from __future__ import annotations

import sys

from tests.census import page
from tests.census.evidence import gather
from tests.census.rows import COMPLETE, rows


def main(words: list[str]) -> int:
    """Exit code 1 where a row has no account or a mark names none."""
    listed = rows()
    evidence, strangers = gather(listed)
    judged = page.judge(listed, evidence)
    if words[:1] == ["--missing"]:
        groups = words[1:] or COMPLETE
        print(*(each.row.name for each in judged if not each.state and each.row.group in groups), sep="\n")
    else:
        page.PAGE.write_text(page.render(judged))
    for group in COMPLETE:
        number = page.counts(judged, group)
        print(f"{group}: {dict(number)}", file=sys.stderr)
    print(*(f"a mark names no row: {name}" for name in sorted(strangers)), sep="\n", file=sys.stderr)
    return 1 if strangers or any(page.counts(judged, group)[""] for group in COMPLETE) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
