"""``carrack attach``: this terminal's streams joined to a running container's."""

from carrack.cli.command import Command, checked
from carrack.cli.commands.run import carry, exit_status
from carrack.cli.exit import Exit
from carrack.cli.streams import proxy_signals
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document


def _attach(session: "Session", parsed: "Parsed") -> int:
    daemon, keys = session.daemon, parsed.text("detach-keys") or session.settings.text("detachKeys")
    found = containers.inspect(daemon, checked(parsed.arguments[0]))
    _check_state(found["State"])
    config, container = found["Config"], found["Id"]
    terminal = bool(config.get("Tty"))
    stdin = bool(config.get("OpenStdin")) and not parsed.flag("no-stdin")
    if stdin and terminal:
        import os

        if not os.isatty(0):
            raise Exit(1, "the input device is not a TTY")
    proxied = parsed.flag("sig-proxy", True) and not terminal
    restore = proxy_signals(lambda signal: containers.kill(daemon, container, signal)) if proxied else None
    try:
        waiting = containers.wait(daemon, container)
        _redraw(session, container, terminal)
        stream, _ = containers.attach(daemon, container, stdin=stdin, stdout=True, stderr=True, detach_keys=keys)
        detached = carry(daemon, container, stream, stdin=stdin, terminal=terminal, keys=keys)
        if detached:
            raise Exit(1, "read escape sequence")
        return exit_status(waiting)
    finally:
        if restore is not None:
            restore()


def _redraw(session: "Session", container: str, terminal: bool) -> None:
    """Change the terminal's size for a moment, so that a full-screen program paints itself anew."""
    from carrack.cli.terminal import size

    height, width = size(1)
    if terminal and height:
        containers.resize(session.daemon, container, height + 1, width + 1)


def _check_state(state: "Document") -> None:
    if not state.get("Running"):
        raise Exit(1, "You cannot attach to a stopped container, start it first")
    if state.get("Paused"):
        raise Exit(1, "You cannot attach to a paused container, unpause it first")
    if state.get("Restarting"):
        raise Exit(1, "You cannot attach to a restarting container, wait until it is running")


ATTACH = Command(
    "[OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    _attach,
    (
        ("detach-keys", "", "string", "Override the key sequence for detaching a container"),
        ("no-stdin", "", "bool", "Do not attach STDIN"),
        ("sig-proxy", "", "bool", "Proxy all received signals to the process (default true)"),
    ),
    least=1,
    most=1,
    example="carrack attach --detach-keys ctrl-a,d shell",
)
