"""``carrack logs``: what a container has written."""

import time

from carrack.cli.command import Command, checked
from carrack.cli.streams import demultiplex, write_all
from carrack.client import containers
from carrack.errors import InvalidArgument
from carrack.model.units import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _logs(session: "Session", parsed: "Parsed") -> int:
    daemon, now = session.daemon, time.time()
    query: dict[str, str | bool | None] = {
        "stdout": True,
        "stderr": True,
        "follow": parsed.flag("follow"),
        "timestamps": parsed.flag("timestamps"),
        "details": parsed.flag("details"),
        "tail": parsed.text("tail", "all"),
    }
    for name in ("since", "until"):
        if parsed.text(name):
            try:
                query[name] = timestamp(parsed.text(name), now)
            except InvalidArgument as error:
                raise InvalidArgument(f'invalid value for "{name}": {error}') from error
    found = containers.inspect(daemon, checked(parsed.arguments[0]))
    response = containers.logs(daemon, found["Id"], query)
    if found["Config"].get("Tty"):
        for data in response.chunks():
            write_all(1, data)
    else:
        demultiplex(response.read_some, write_all)
    return 0


LOGS = Command(
    "[OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    _logs,
    (
        ("details", "", "bool", "Show extra details provided to logs"),
        ("follow", "f", "bool", "Follow log output"),
        (
            "since",
            "",
            "string",
            'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
        ),
        ("tail", "n", "string", 'Number of lines to show from the end of the logs (default "all")'),
        ("timestamps", "t", "bool", "Show timestamps"),
        (
            "until",
            "",
            "string",
            'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
        ),
    ),
    least=1,
    most=1,
    example="carrack logs -f --tail 20 web\ncarrack logs --since 10m -t web",
)
