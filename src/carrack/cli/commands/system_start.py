"""``carrack system start``: the daemon, started because the user asked for it; nothing else ever starts it."""

import os
import subprocess
import sys
import time

from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.client.transport import Unreachable
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed

_PATIENCE = 30.0
_LOG = "/var/log/carrack.log"


def _start(session: "Session", parsed: "Parsed") -> int:
    host = session.daemon.host
    if _answers(session):
        write(f"The daemon already answers at {host.url}")
        return 0
    if host.scheme != "unix":
        raise InvalidArgument(
            f"{host.url} is not on this machine as far as this command can tell; start the daemon there"
        )
    if os.geteuid() != 0:
        raise Exit(1, "the daemon needs root: run this command as root (for example with sudo)")
    words = [*program(), "--host", host.url, *parsed.arguments]
    if parsed.flag("foreground"):
        sys.stdout.flush()
        os.execvp(words[0], words)
    log = parsed.text("log-file", _LOG)
    with open(log, "ab", 0) as output:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    _wait(session, child, log)
    write(f"The daemon answers at {host.url} (process {child.pid}, log {log})")
    return 0


def program() -> list[str]:
    """The command line of ``carrackd``: the file beside this program, else this interpreter with the module."""
    beside = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "carrackd")
    if os.access(beside, os.X_OK):
        return [beside]
    return [sys.executable, "-c", "import sys; from carrack.daemon.main import main; sys.exit(main())"]


def _wait(session: "Session", child: "subprocess.Popen[bytes]", log: str) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if _answers(session):
            return
        if child.poll() is not None:
            raise Exit(1, f"the daemon ended with code {child.returncode}; the end of {log}:\n{_tail(log)}")
        time.sleep(0.05)
    child.terminate()
    raise Exit(
        1, f"the daemon did not answer within {_PATIENCE:.0f} seconds and was stopped; the end of {log}:\n{_tail(log)}"
    )


def _answers(session: "Session") -> bool:
    try:
        session.daemon.agree()
    except Unreachable:
        return False
    return True


def _tail(path: str) -> str:
    with open(path, "rb") as file:
        return b"\n".join(file.read()[-8192:].splitlines()[-12:]).decode("utf-8", "replace")


START = Command(
    "[OPTIONS] [-- DAEMON OPTIONS]",
    "Start the Carrack daemon on this machine",
    _start,
    (
        ("foreground", "", "bool", "Stay attached to this terminal until the daemon ends"),
        ("log-file", "", "string", f"Where the daemon writes its log (default {_LOG})"),
    ),
    most=None,
    example="carrack system start\ncarrack system start --foreground -- --log-level debug",
)
