"""``carrack stop``, ``restart`` and ``kill``: signals to the main process, with or without patience."""

from carrack.cli.command import Command, each
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Flag, Parsed

_FLAGS: "tuple[Flag, ...]" = (
    ("signal", "s", "string", "Signal to send to the container"),
    ("timeout", "t", "int", "Seconds to wait before killing the container"),
    ("time", "", "int", ""),
)


def _stop(session: "Session", parsed: "Parsed") -> int:
    return _halt(session, parsed, restart=False)


def _restart(session: "Session", parsed: "Parsed") -> int:
    return _halt(session, parsed, restart=True)


def _halt(session: "Session", parsed: "Parsed", *, restart: bool) -> int:
    daemon, signal, timeout = session.daemon, parsed.text("signal"), parsed.number("timeout")
    return each(session, parsed.arguments, lambda name: containers.stop(daemon, name, signal, timeout, restart=restart))


def _kill(session: "Session", parsed: "Parsed") -> int:
    daemon, signal = session.daemon, parsed.text("signal")
    return each(session, parsed.arguments, lambda name: containers.kill(daemon, name, signal))


STOP = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop one or more running containers",
    _stop,
    _FLAGS,
    least=1,
    most=None,
    example="carrack stop -t 2 web db",
)
RESTART = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart one or more containers",
    _restart,
    _FLAGS,
    least=1,
    most=None,
    example="carrack restart web",
)
KILL = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Kill one or more running containers",
    _kill,
    (("signal", "s", "string", "Signal to send to the container"),),
    least=1,
    most=None,
    example="carrack kill --signal HUP web",
)
