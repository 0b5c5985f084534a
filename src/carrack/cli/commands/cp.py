"""``carrack cp``: files between this machine and a container, by the rules of cp(1) as docker words them."""

import os

from carrack.cli.archive_file import from_file
from carrack.cli.command import Command, write_error
from carrack.cli.exit import Exit
from carrack.cli.files import pack, unpack
from carrack.cli.render.progress import Meter
from carrack.cli.streams import write_all
from carrack.client import archives
from carrack.client.transport import Refused
from carrack.errors import InvalidArgument
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.transport import Daemon

_GO_DIRECTORY, _GO_LINK = 1 << 31, 1 << 27


def _cp(session: "Session", parsed: "Parsed") -> int:
    for word, what in zip(parsed.arguments, ("source", "destination"), strict=True):
        if not word:
            raise Exit(1, f"{what} can not be empty")
    (source_container, source), (target_container, target) = (_split(word) for word in parsed.arguments)
    if source_container and target_container:
        raise Exit(1, "copying between containers is not supported")
    if not source_container and not target_container:
        raise Exit(1, "must specify at least one container source")
    quiet = parsed.flag("quiet") if parsed.given("quiet") else not os.isatty(2)
    meter = Meter("Copying", shown=not quiet)
    if source_container:
        _fetch(session.daemon, source_container, source, target, parsed.flag("follow-link"), meter)
    else:
        path = os.path.realpath(source) if parsed.flag("follow-link") and source != "-" else source
        name = os.path.basename(os.path.abspath(source))
        _send(session.daemon, target_container, target, path, name, parsed.flag("archive"), meter)
    if not quiet and target != "-":
        shown = f"{target_container}:{target}" if target_container else os.path.abspath(target)
        write_error(f"Successfully copied {human_size(meter.count, 3)} to {shown}")
    return 0


def destination(
    source_is_directory: bool, contents: bool, path: str, exists: bool, is_directory: bool, name: str
) -> tuple[str, str]:
    """Where a copy lands: a directory that exists, and the copy's name in it (``.`` for the contents alone).

    ``path`` is the destination as typed, ``contents`` whether the source ended in ``/.``, ``name`` its last part.
    """
    if exists and is_directory:
        return path, "." if contents else name
    if exists and source_is_directory:
        raise InvalidArgument("cannot copy directory")
    if exists and path.endswith(("/", "/.")):
        raise InvalidArgument("not a directory")
    if not source_is_directory and path.endswith("/"):
        raise InvalidArgument("no such directory")
    whole = path.rstrip("/") or "/"
    return os.path.dirname(whole) or ".", os.path.basename(whole)


def _fetch(daemon: "Daemon", container: str, source: str, target: str, follow: bool, meter: Meter) -> None:
    if follow:
        found = archives.stat(daemon, container, source)
        if found["mode"] & _GO_LINK and found.get("linkTarget"):
            source = os.path.join(os.path.dirname(source), found["linkTarget"])
    response, found = archives.get(daemon, container, source)
    chunks = meter.watch(response.chunks())
    if target == "-":
        if os.isatty(1):
            raise Exit(1, "cowardly refusing to write a tar stream to a terminal; use a file name or redirect")
        for chunk in chunks:
            write_all(1, chunk)
        return
    contents = source.endswith("/.")
    is_directory = bool(found["mode"] & _GO_DIRECTORY)
    directory, name = destination(
        is_directory,
        contents,
        target,
        os.path.lexists(target),
        os.path.isdir(target),
        found["name"] or os.path.basename(source),
    )
    if not os.path.isdir(directory):
        raise InvalidArgument(f'invalid output path: directory "{os.path.abspath(directory)}" does not exist')
    unpack(chunks, directory, lambda member: _rebased(member, name, contents))


def _send(daemon: "Daemon", container: str, target: str, path: str, base: str, keep_owner: bool, meter: Meter) -> None:
    target, exists, is_directory = _resolved(daemon, container, target)
    if path == "-":
        if not is_directory:
            raise Exit(1, f'destination "{container}:{target}" must be a directory')
        archives.put(daemon, container, target, from_file("-"), keep_owner=keep_owner)
        return
    if not target:
        raise Exit(1, "no such directory")
    if path.endswith(("/", "/.")) and os.path.isfile(path.rstrip("/.")):
        raise Exit(1, "not a directory")
    if not os.path.lexists(path):
        raise Exit(1, f"lstat {os.path.abspath(path)}: no such file or directory")
    contents = path.endswith("/.")
    source_is_directory = os.path.isdir(path) and not os.path.islink(path.rstrip("/"))
    if path.endswith("/") and os.path.isdir(path):
        source_is_directory, path = True, os.path.realpath(path)
    directory, name = destination(source_is_directory, contents, target, exists, is_directory, base)
    archives.put(daemon, container, directory, meter.watch(pack(path, name)), keep_owner=keep_owner)


def _resolved(daemon: "Daemon", container: str, target: str) -> tuple[str, bool, bool]:
    """The destination in the container (a link is followed once), whether it is there and whether it is a directory."""
    try:
        found = archives.stat(daemon, container, target)
        if found["mode"] & _GO_LINK and found.get("linkTarget"):
            target = os.path.join(os.path.dirname(target.rstrip("/")), found["linkTarget"])
            found = archives.stat(daemon, container, target)
    except Refused:
        return target, False, False  # the answer to the copy itself will say what is wrong
    return target, True, bool(found["mode"] & _GO_DIRECTORY)


def _rebased(member: str, name: str, contents: bool) -> str:
    """Where a member goes: its first part is replaced by ``name``, but ``contents`` have no first part in common."""
    if contents:
        return f"{name}/{member}"
    _, slash, rest = member.strip("/").partition("/")
    return f"{name}/{rest}" if slash else name


def _split(word: str) -> tuple[str, str]:
    """Container and path of ``web:/etc/hosts``; a word that begins with ``/`` or ``.`` is a path here."""
    container, colon, path = word.partition(":")
    if not colon or word.startswith(("/", ".")):
        return "", word
    return container, path


CP = Command(
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tcarrack cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files/folders between a container and the local filesystem",
    _cp,
    (
        ("archive", "a", "bool", "Archive mode (copy all uid/gid information)"),
        ("follow-link", "L", "bool", "Always follow symbol link in SRC_PATH"),
        (
            "quiet",
            "q",
            "bool",
            "Suppress progress output during copy (there is none without a terminal)",
        ),
    ),
    least=2,
    most=2,
    example="carrack cp index.html web:/var/www/\ncarrack cp web:/var/log/. ./logs",
)
