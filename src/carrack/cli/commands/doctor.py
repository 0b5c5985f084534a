"""``carrack doctor net``: what is wrong with the network of the daemon's host, and the commands that mend it."""

from carrack.cli.command import Command, write
from carrack.cli.render.fields import FORMAT, wanted_form
from carrack.client import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {"Check": "CHECK", "Level": "LEVEL", "Text": "FINDING", "Mend": "MEND"}
_LEVEL, _CHECK = 9, 12


def _net(session: "Session", parsed: "Parsed") -> int:
    form = wanted_form(parsed)
    found = system.doctor_network(session.daemon)
    if form:
        from carrack.cli.render.table import print_rows

        print_rows(found, HEADINGS, "Level Check Text Mend", form, "*formatter.findingContext")
    else:
        for each in found:
            _show(each)
    return int(any(each["Level"] == "problem" for each in found))


def _show(each: "Document") -> None:
    write(f"{each['Level']:{_LEVEL}}{each['Check']:{_CHECK}}{each['Text']}")
    if each["Mend"]:
        write(f"{'':{_LEVEL + _CHECK}}mend it: {each['Mend']}")


NET = Command(
    "[OPTIONS]",
    "Look for what is wrong with the network; the exit code is 1 where something is",
    _net,
    FORMAT,
    example="carrack doctor net\ncarrack doctor net --json",
)
