"""``carrack exec``: one more process in a running container."""

import posix

from carrack.cli.command import Command, checked
from carrack.cli.exit import Exit, start_failure_code
from carrack.cli.streams import exchange
from carrack.client import execs
from carrack.client.transport import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document
    from carrack.client.transport import Daemon


def _exec(session: "Session", parsed: "Parsed") -> int:
    body = _document(session, parsed)
    terminal, detach = parsed.flag("tty"), parsed.flag("detach")
    if terminal and body.get("AttachStdin") and not posix.isatty(0):
        raise Exit(1, "the input device is not a TTY")
    daemon = session.daemon
    exec_id = execs.create(daemon, checked(parsed.arguments[0]), body)
    try:
        if detach:
            try:
                execs.start(daemon, exec_id, terminal=terminal)
            except Refused as error:
                raise Exit(1, f"Error response from daemon: {error}") from error
            return 0
        _carry(daemon, exec_id, body)
    except Refused as error:
        raise Exit(_code(error), f"Error response from daemon: {error}") from error
    code: int = execs.inspect(daemon, exec_id).get("ExitCode") or 0
    return code


def _document(session: "Session", parsed: "Parsed") -> "Document":
    body: Document = {"Cmd": parsed.arguments[1:]}
    if not parsed.flag("detach"):
        body.update({"AttachStdout": True, "AttachStderr": True})
        if parsed.flag("interactive"):
            body["AttachStdin"] = True
    for name, key in (("tty", "Tty"), ("privileged", "Privileged")):
        if parsed.flag(name):
            body[key] = True
    for name, key in (("user", "User"), ("workdir", "WorkingDir")):
        if parsed.text(name):
            body[key] = parsed.text(name)
    if keys := parsed.text("detach-keys") or session.settings.text("detachKeys"):
        body["DetachKeys"] = keys
    if parsed.given("env") or parsed.given("env-file"):
        from carrack.cli.container_config import environment_words

        body["Env"] = environment_words(parsed, session.environment)
    return body


def _carry(daemon: "Daemon", exec_id: str, body: "Document") -> None:
    stdin = bool(body.get("AttachStdin"))
    if not body.get("Tty"):
        exchange(execs.attach(daemon, exec_id, terminal=False), stdin=stdin, raw=False)
        return
    from carrack.cli.terminal import RawMode, detach_sequence, follow_size, size

    here = size(1)
    sequence = detach_sequence(body.get("DetachKeys", ""))
    stream = execs.attach(daemon, exec_id, terminal=True, size=list(here) if here != (0, 0) else None)
    restore = (
        follow_size(lambda height, width: execs.resize(daemon, exec_id, height, width)) if posix.isatty(1) else None
    )
    try:
        if not (stdin and posix.isatty(0)):
            exchange(stream, stdin=stdin, raw=True)
            return
        with RawMode(0):
            detached = exchange(stream, stdin=True, raw=True, detach_keys=sequence)
    finally:
        if restore is not None:
            restore()
    if detached:
        raise Exit(1, "read escape sequence")


def _code(error: Refused) -> int:
    """126 and 127 as ``run`` has them, 1 for what the daemon refuses before it starts anything."""
    code = start_failure_code(str(error))
    return code if code != 125 else 1


EXEC = Command(
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    _exec,
    (
        ("detach", "d", "bool", "Detached mode: run command in the background"),
        ("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        ("env", "e", "list", "Set environment variables"),
        ("env-file", "", "list", "Read in a file of environment variables"),
        ("interactive", "i", "bool", "Keep STDIN open even if not attached"),
        ("privileged", "", "bool", "Give extended privileges to the command"),
        ("tty", "t", "bool", "Allocate a pseudo-TTY"),
        ("user", "u", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
        ("workdir", "w", "string", "Working directory inside the container"),
    ),
    least=2,
    most=None,
    interspersed=False,
    example="carrack exec -it web sh\ncarrack exec -u nobody web id",
)
