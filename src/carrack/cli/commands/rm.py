"""``carrack rm`` and ``rmi``: containers and images removed."""

from carrack.cli.command import Command, checked, describe, each, write, write_error
from carrack.client import containers, images
from carrack.client.transport import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _rm(session: "Session", parsed: "Parsed") -> int:
    daemon, force = session.daemon, parsed.flag("force")

    def remove(name: str) -> str:
        name = name.strip("/") or name
        try:
            containers.remove(daemon, name, force=force, volumes=parsed.flag("volumes"), link=parsed.flag("link"))
        except Refused as error:
            if not (force and error.status == 404):
                raise
            write_error(describe(error))  # with --force a missing container is no failure
            return ""
        return name

    return each(session, parsed.arguments, remove, "container name cannot be empty")


def _rmi(session: "Session", parsed: "Parsed") -> int:
    daemon, force, failed = session.daemon, parsed.flag("force"), 0
    platforms = parsed.words("platform") or None
    for name in parsed.arguments:
        try:
            gone = images.remove(
                daemon, checked(name), force=force, prune=not parsed.flag("no-prune"), platforms=platforms
            )
        except Refused as error:
            write_error(describe(error))
            failed = failed or (not (force and error.status == 404))
            continue
        for item in gone:
            write(f"Deleted: {item['Deleted']}" if item.get("Deleted") else f"Untagged: {item.get('Untagged', '')}")
    return int(failed)


RM = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    _rm,
    (
        ("force", "f", "bool", "Force the removal of a running container (uses SIGKILL)"),
        ("link", "l", "bool", "Remove the specified link"),
        ("volumes", "v", "bool", "Remove anonymous volumes associated with the container"),
    ),
    least=1,
    most=None,
    example="carrack rm -fv web",
)
RMI = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    _rmi,
    (
        ("force", "f", "bool", "Force removal of the image"),
        ("no-prune", "", "bool", "Do not delete untagged parents"),
        (
            "platform",
            "",
            "strings",
            "Remove only the given platform variant. Formatted as `os[/arch[/variant]]` (e.g., `linux/amd64`)",
        ),
    ),
    least=1,
    most=None,
    example="carrack rmi web:old",
)
