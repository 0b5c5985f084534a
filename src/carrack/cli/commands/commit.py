"""``carrack commit``: a container's changes as a new image."""

from carrack.cli.command import Command, checked, write
from carrack.client import containers, images
from carrack.errors import InvalidArgument
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _commit(session: "Session", parsed: "Parsed") -> int:
    container, *names = parsed.arguments
    query: dict[str, Any] = {"container": checked(container), "comment": parsed.text("message") or None}
    query["author"] = parsed.text("author") or None
    query["changes"] = parsed.words("change")
    if names:
        reference.parse(names[0])
        query["repo"], tag = images.split_reference(names[0])
        query["tag"] = tag or None
    if parsed.flag("no-pause") and parsed.flag("pause"):
        raise InvalidArgument("conflicting options: cannot specify both --no-pause and --pause")
    if parsed.flag("no-pause") or not parsed.flag("pause", True):
        query["pause"] = "0"
    write(containers.commit(session.daemon, query, {}))
    return 0


COMMIT = Command(
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Create a new image from a container's changes",
    _commit,
    (
        ("author", "a", "string", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")'),
        ("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        ("message", "m", "string", "Commit message"),
        ("no-pause", "", "bool", "Do not pause the container during commit"),
        ("pause", "p", "bool", "Pause container during commit (default true)"),
    ),
    least=1,
    most=2,
    example='carrack commit -c \'CMD ["httpd", "-f"]\' work web:1',
)
