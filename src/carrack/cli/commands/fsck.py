"""``carrack fsck``: whether the data root is as it should be. Ours; docker has no such verb."""

from carrack.cli.command import Command, write
from carrack.cli.render.fields import FORMAT, wanted_form
from carrack.client import system
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {"Level": "LEVEL", "Check": "CHECK", "Subject": "SUBJECT", "Text": "FINDING", "Mended": "MENDED"}
_LEVEL, _CHECK = 9, 12


def _fsck(session: "Session", parsed: "Parsed") -> int:
    form = wanted_form(parsed)
    found, end = [], {}
    for each in system.check(session.daemon, repair=parsed.flag("repair"), read=not parsed.flag("quick")):
        if "Level" not in each:
            end = each
        elif form:
            found.append(each)
        else:
            _show(each)
    if form:
        from carrack.cli.render.table import print_rows

        print_rows(found, HEADINGS, "Level Check Subject Text Mended", form, "*formatter.findingContext")
    else:
        _conclude(end, parsed.flag("repair"))
    return int(end.get("Unmended", 1) > 0)


def _show(each: "Document") -> None:
    write(f"{each['Level']:{_LEVEL}}{each['Check']:{_CHECK}}{each['Text']}")
    if each["Subject"] not in each["Text"]:
        write(f"{'':{_LEVEL + _CHECK}}{each['Subject']}")
    if each["Mended"]:
        write(f"{'':{_LEVEL + _CHECK}}{each['Mended']}")


def _conclude(end: "Document", repaired: bool) -> None:
    if not end:
        write("the check was cut short")
        return
    kinds = (("Problems", "problem"), ("Garbage", "thing that nobody needs"), ("Notes", "note"))
    counts = ", ".join(_counted(end[key], word) for key, word in kinds)
    write(f"{counts}; {human_size(end['BytesRead'], 3)} read and compared")
    if end["Unmended"]:
        write(f"{_counted(end['Unmended'], 'problem')} left: each says what to do")
    elif end["Garbage"] and not repaired:
        write("carrack fsck --repair, or carrack gc, removes what nobody needs")


def _counted(number: int, what: str) -> str:
    first, space, rest = what.partition(" ")
    return f"{number} {first if number == 1 else first + 's'}{space}{rest}"


FSCK = Command(
    "[OPTIONS]",
    "Compare the data root with the records, and read everything again; the exit code is 1 where a problem is left",
    _fsck,
    (
        *FORMAT,
        ("quick", "", "bool", "Read nothing: only look whether everything is there"),
        ("repair", "", "bool", "Remove what nobody needs, put what is damaged into quarantine, make layers again"),
    ),
    example="carrack fsck\ncarrack fsck --repair",
)
