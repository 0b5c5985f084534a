"""The smallest verbs of containers: ``pause``, ``unpause``, ``rename``, ``wait``."""

from carrack.cli.command import Command, describe, each, write_error
from carrack.cli.exit import Exit
from carrack.client import containers, document
from carrack.client.transport import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _pause(session: "Session", parsed: "Parsed") -> int:
    daemon = session.daemon
    return each(session, parsed.arguments, lambda name: containers.act(daemon, name, "pause"))


def _unpause(session: "Session", parsed: "Parsed") -> int:
    daemon = session.daemon
    return each(session, parsed.arguments, lambda name: containers.act(daemon, name, "unpause"))


def _rename(session: "Session", parsed: "Parsed") -> int:
    old, new = parsed.arguments
    if not old.strip() or not new.strip():
        raise Exit(1, "Error: Neither old nor new names may be empty")
    try:
        containers.rename(session.daemon, old, new)
    except Refused as error:
        write_error(describe(error))
        write_error(f"Error: failed to rename container named {old}")
        return 1
    return 0


def _wait(session: "Session", parsed: "Parsed") -> int:
    daemon = session.daemon

    def status(name: str) -> str:
        return str(document.loads(containers.wait(daemon, name).read())["StatusCode"])

    return each(session, parsed.arguments, status)


PAUSE = Command(
    "CONTAINER [CONTAINER...]",
    "Pause all processes within one or more containers",
    _pause,
    least=1,
    most=None,
    example="carrack pause web",
)
UNPAUSE = Command(
    "CONTAINER [CONTAINER...]",
    "Unpause all processes within one or more containers",
    _unpause,
    least=1,
    most=None,
    example="carrack unpause web",
)
RENAME = Command(
    "CONTAINER NEW_NAME", "Rename a container", _rename, least=2, most=2, example="carrack rename web web-old"
)
WAIT = Command(
    "CONTAINER [CONTAINER...]",
    "Block until one or more containers stop, then print their exit codes",
    _wait,
    least=1,
    most=None,
    example="carrack wait job",
)
