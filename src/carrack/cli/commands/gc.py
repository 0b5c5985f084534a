"""``carrack gc``: remove what nothing needs, and what the rules let go. Ours; docker has no such verb."""

from carrack.cli.command import Command, write
from carrack.cli.commands.prune import confirm
from carrack.cli.render.fields import FORMAT, short_id, wanted_form
from carrack.client import system
from carrack.errors import InvalidArgument
from carrack.model.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "Image": "IMAGE ID",
    "Names": "NAMES",
    "Action": "ACTION",
    "Unused": "UNUSED FOR",
    "Size": "FREES",
    "Reason": "REASON",
}
_RULES = ("cache", "keep-last", "max-size", "min-free", "unused-for")


def _gc(session: "Session", parsed: "Parsed") -> int:
    form, daemon = wanted_form(parsed), session.daemon
    rules = {word: parsed.text(word) for word in _RULES if parsed.given(word)}
    if "" in rules.values():
        raise InvalidArgument("a rule may not be empty: leave its flag out")
    if kept := parsed.words("keep"):
        rules["keep"] = ",".join(kept)
    outcome = system.collect(daemon, rules, plan=True)
    if not parsed.flag("plan"):
        if any(not step["Cached"] for step in outcome["Steps"]) and not parsed.flag("force"):
            _show(outcome, "")
            confirm(parsed, "This will remove the images and names above.")
        outcome = system.collect(daemon, rules)
    _show(outcome, form)
    return 0


def _show(outcome: "Document", form: str) -> None:
    rows = [row(each) for each in outcome["Steps"]]
    if rows or form:
        from carrack.cli.render.table import print_rows

        print_rows(rows, HEADINGS, "Image Names Action Unused Size Reason", form, "*formatter.gcContext")
    if form not in ("", "table"):
        return
    for note in outcome["Notes"]:
        write(f"WARNING: {note}")
    done = outcome["Done"]
    write(
        f"{'Removed' if done else 'Would remove'} {human_size(outcome['Swept'], 3)} that nothing needed\n"
        f"Images: {human_size(outcome['Size'], 3)} before, {human_size(outcome['SizeAfter'], 3)} after\n"
        f"{'Total reclaimed space' if done else 'Would reclaim'}: {human_size(outcome['SpaceReclaimed'], 3)}"
    )


def row(step: "Document") -> "dict[str, Any]":
    """What a template may show of one step; names by digest only where there is no tag."""
    tags = [name for name in step["Names"] if "@" not in name]
    return {
        "Image": short_id(step["Image"]),
        "Names": ", ".join(tags or step["Names"]) or "<none>",
        "Action": "drop from cache" if step["Cached"] else "delete" if step["Deletes"] else "untag",
        "Unused": human_duration(step["UnusedFor"]),
        "Size": human_size(step["Reclaims"], 3),
        "Reason": step["Reason"],
    }


GC = Command(
    "[OPTIONS]",
    "Remove what nothing needs, and images by rules (those given here, or the daemon's)",
    _gc,
    (
        *FORMAT,
        ("cache", "", "string", "Keep so many bytes of removed images for the next pull (0: nothing)"),
        ("force", "f", "bool", "Do not prompt for confirmation"),
        ("keep", "", "list", "Never remove names like this pattern"),
        ("keep-last", "", "string", "Of each repository keep the newest so many tags"),
        ("max-size", "", "string", "Remove the longest unused images while all are larger together (e.g. 20GB)"),
        ("min-free", "", "string", "The same while less room is left on the disk (bytes or percent)"),
        ("plan", "", "bool", "Show what would be removed, and remove nothing"),
        ("unused-for", "", "string", "Remove images that were not used for so long (e.g. 36h, 30d, 4w)"),
    ),
    example="carrack gc --plan --unused-for 30d\ncarrack gc --keep-last 3 --keep 'team/*' --max-size 20GB -f",
)
