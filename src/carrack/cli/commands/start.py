"""``carrack start``: stopped containers run again, one of them possibly attached."""

from carrack.cli.command import Command, checked, describe, each, write_error
from carrack.cli.commands.run import carry, exit_status
from carrack.cli.exit import Exit
from carrack.cli.streams import proxy_signals
from carrack.client import containers
from carrack.client.transport import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _start(session: "Session", parsed: "Parsed") -> int:
    names = parsed.arguments
    if parsed.given("checkpoint") or parsed.given("checkpoint-dir"):
        raise Exit(1, "checkpoints are not built yet: start without --checkpoint")
    if not (parsed.flag("attach") or parsed.flag("interactive")):
        daemon = session.daemon
        started: list[str] = []

        def start(name: str) -> None:
            containers.start(daemon, name)
            started.append(name)

        code = each(session, names, start)
        if code:
            write_error(
                f"Error: failed to start containers: {', '.join(name for name in names if name not in started)}"
            )
        return code
    if len(names) > 1:
        raise Exit(1, "you cannot start and attach multiple containers at once")
    return _attached(session, parsed, checked(names[0]))


def _attached(session: "Session", parsed: "Parsed", name: str) -> int:
    daemon, keys = session.daemon, parsed.text("detach-keys") or session.settings.text("detachKeys")
    found = containers.inspect(daemon, name)
    container, config = found["Id"], found["Config"]
    terminal, stdin = bool(config.get("Tty")), bool(config.get("OpenStdin")) and parsed.flag("interactive")
    restore = None if terminal else proxy_signals(lambda signal: containers.kill(daemon, container, signal))
    try:
        stream, _ = containers.attach(daemon, container, stdin=stdin, stdout=True, stderr=True, detach_keys=keys)
        removed = found["HostConfig"].get("AutoRemove")
        waiting = containers.wait(daemon, container, "removed" if removed else "next-exit")
        try:
            containers.start(daemon, container)
        except Refused as error:
            stream.close()
            raise Exit(1, f"{describe(error)}") from error
        detached = carry(daemon, container, stream, stdin=stdin, terminal=terminal, keys=keys)
        return 0 if detached else exit_status(waiting)
    finally:
        if restore is not None:
            restore()


START = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    _start,
    (
        ("attach", "a", "bool", "Attach STDOUT/STDERR and forward signals"),
        ("checkpoint", "", "string", "Restore from this checkpoint (not built yet)"),
        ("checkpoint-dir", "", "string", "Use a custom checkpoint storage directory (not built yet)"),
        ("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        ("interactive", "i", "bool", "Attach container's STDIN"),
    ),
    least=1,
    most=None,
    example="carrack start web\ncarrack start -ai shell",
)
