"""``carrack run``: create · attach · wait · start · carry the streams · leave with the program's own exit code."""

import posix

from carrack.cli.command import Command, describe, write, write_error
from carrack.cli.container_config import create_document, with_proxies
from carrack.cli.container_flags import RUN_FLAGS
from carrack.cli.exit import Exit, start_failure_code, unreachable
from carrack.cli.flags import UsageError
from carrack.cli.streams import exchange, proxy_signals
from carrack.client import containers, document
from carrack.client.transport import Refused, Unreachable
from carrack.errors import CarrackError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document
    from carrack.client.transport import Daemon
    from carrack.http.client import Response, Stream


def _run(session: "Session", parsed: "Parsed") -> int:
    try:
        return _create_and_start(session, parsed)
    except UsageError:
        raise
    except (CarrackError, OSError) as error:
        raise refusal("run", error) from error


def refusal(verb: str, error: Exception) -> Exit:
    """A failure of ``run`` or ``create`` in docker's form: what is wrong, where help is, and 125 or its kin."""
    told = unreachable(error.url, error.error) if isinstance(error, Unreachable) else describe(error)
    if str(error).startswith("invalid reference format") or str(error) == "no image specified":
        told = "invalid reference format" if str(error) == "no image specified" else str(error)
    code = start_failure_code(str(error)) if isinstance(error, Refused) else 125
    return Exit(code, f"carrack: {told}\n\nRun 'carrack {verb} --help' for more information")


def create(session: "Session", parsed: "Parsed", body: "Document") -> str:
    """Create the container, obeying ``--pull`` and ``--cidfile``; gives its id and tells the daemon's warnings."""
    if parsed.text("pull", "missing") not in ("always", "missing", "never"):
        raise InvalidArgument(
            f'invalid pull option: \'{parsed.text("pull")}\': must be one of "always", "missing" or "never"'
        )
    if parsed.flag("use-api-socket"):
        from carrack.cli.api_socket import share_socket

        share_socket(body, session.daemon.host.url)
    cidfile = _open_cidfile(parsed.text("cidfile"))
    try:
        answer = _create(session, parsed, body)
    except (CarrackError, OSError):
        if cidfile is not None:
            posix.close(cidfile)
            posix.unlink(parsed.text("cidfile"))
        raise
    container: str = answer["Id"]
    if cidfile is not None:
        posix.write(cidfile, container.encode())
        posix.close(cidfile)
    for warning in answer.get("Warnings") or []:
        write_error(f"WARNING: {warning}")
    return container


def _create(session: "Session", parsed: "Parsed", body: "Document") -> "Document":
    when, name, platform = parsed.text("pull", "missing"), parsed.text("name"), parsed.text("platform")
    if when == "always":
        _pull(session, parsed, body)
    try:
        return containers.create(session.daemon, body, name, platform)
    except Refused as error:
        if when != "missing" or error.status != 404 or not str(error).startswith("No such image: "):
            raise
        from carrack.oci import reference

        wanted = reference.parse(body["Image"]).with_default_tag().familiar
        if not str(error).endswith(f"No such image: {wanted}"):  # but one that is to be mounted
            raise
    if not parsed.flag("quiet"):
        write_error(f"Unable to find image '{wanted}' locally")
    _pull(session, parsed, body)
    return containers.create(session.daemon, body, name, platform)


def _pull(session: "Session", parsed: "Parsed", body: "Document") -> None:
    from carrack.cli.commands.pull import pull

    pull(session, body["Image"], parsed.text("platform"), quiet=parsed.flag("quiet"))


def _create_and_start(session: "Session", parsed: "Parsed") -> int:
    detach = parsed.flag("detach")
    body = create_document(parsed, session.environment, detach=detach)
    with_proxies(body, session.settings.proxies(session.daemon.host.url))
    terminal = bool(body.get("Tty"))
    if terminal and body.get("AttachStdin") and not posix.isatty(0):
        raise Exit(1, "the input device is not a TTY")
    if terminal and not detach:
        from carrack.cli.terminal import size

        if size(1) != (0, 0):
            body.setdefault("HostConfig", {})["ConsoleSize"] = list(size(1))
    daemon = session.daemon
    container = create(session, parsed, body)
    if not any(body.get(f"Attach{name}") for name in ("Stdin", "Stdout", "Stderr")):
        write(container)
        containers.start(daemon, container)
        return 0
    return _attached(session, parsed, body, container)


def _attached(session: "Session", parsed: "Parsed", body: "Document", container: str) -> int:
    daemon, keys = session.daemon, parsed.text("detach-keys") or session.settings.text("detachKeys")
    terminal, stdin = bool(body.get("Tty")), bool(body.get("AttachStdin"))
    restore = None
    if parsed.flag("sig-proxy", True) and not terminal:
        restore = proxy_signals(lambda name: containers.kill(daemon, container, name))
    try:
        removed = body.get("HostConfig", {}).get("AutoRemove")
        asked = containers.ask_wait(daemon, container, "removed" if removed else "next-exit")
        stream, _ = containers.attach(
            daemon,
            container,
            stdin=stdin,
            stdout=bool(body.get("AttachStdout")),
            stderr=bool(body.get("AttachStderr")),
            detach_keys=keys,
        )
        waiting = asked()
        try:
            containers.start(daemon, container)
        except Refused as error:
            stream.close()
            if removed:
                waiting.read()
            raise refusal("run", error) from error
        detached = carry(daemon, container, stream, stdin=stdin, terminal=terminal, keys=keys)
        return 0 if detached else exit_status(waiting)
    finally:
        if restore is not None:
            restore()


def carry(daemon: "Daemon", container: str, stream: "Stream", *, stdin: bool, terminal: bool, keys: str) -> bool:
    """Carry a container's streams, with the user's terminal raw and its size followed where both sides have one."""
    if not terminal:
        return exchange(stream, stdin=stdin, raw=False)
    from carrack.cli.terminal import RawMode, detach_sequence, follow_size

    sequence = detach_sequence(keys)
    restore = (
        follow_size(lambda height, width: containers.resize(daemon, container, height, width))
        if posix.isatty(1)
        else None
    )
    try:
        if not (stdin and posix.isatty(0)):
            return exchange(stream, stdin=stdin, raw=True, detach_keys=sequence)
        with RawMode(0):
            return exchange(stream, stdin=True, raw=True, detach_keys=sequence)
    finally:
        if restore is not None:
            restore()


def exit_status(waiting: "Response") -> int:
    """The exit code that a wait gives; its error, if any, is told."""
    answer = document.loads(waiting.read())
    if answer.get("Error"):
        write_error(str(answer["Error"].get("Message", "")))
    code: int = answer["StatusCode"]
    return code


RUN = Command(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    _run,
    RUN_FLAGS,
    least=1,
    most=None,
    interspersed=False,
    example="carrack run --rm -it busybox sh\ncarrack run -d --name web -p 8080:80 busybox httpd -f",
)


def _open_cidfile(path: str) -> int | None:
    """Made before the container, so that an unwritable place creates nothing."""
    if not path:
        return None
    try:
        return posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o644)
    except FileExistsError:
        raise InvalidArgument(
            f"container ID file found, make sure the other container isn't running or delete {path}"
        ) from None
    except OSError as error:
        reason = (error.strerror or "").lower()
        code = start_failure_code(reason)
        told = f"carrack: failed to create the container ID file: open {path}: {reason}"
        raise Exit(code, f"{told}\n\nRun 'carrack run --help' for more information") from error
