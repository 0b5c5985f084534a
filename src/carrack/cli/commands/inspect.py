"""``carrack inspect`` and its kin: an object's whole document, or what a template takes from it."""

import sys

from carrack.cli.command import EMPTY_NETWORK, Command, checked, describe, write, write_error
from carrack.cli.exit import Exit
from carrack.client import containers, document, images, networks, volumes
from carrack.client.transport import Refused
from carrack.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Flag, Parsed
    from carrack.client.document import Document
    from carrack.client.transport import Daemon

    Find = Callable[[Daemon, str, Parsed], Document]

_FORMAT: "tuple[Flag, ...]" = (
    ("format", "f", "string", "Format output: 'json' or a Go TEMPLATE"),
    ("json", "", "bool", "Print JSON in one line (the same as --format json)"),
)
_UNBUILT = ("node", "service", "task", "secret", "config", "plugin")


def _container(daemon: "Daemon", name: str, parsed: "Parsed") -> "Document":
    return containers.inspect(daemon, checked(name), size=parsed.flag("size"))


def _image(daemon: "Daemon", name: str, parsed: "Parsed") -> "Document":
    return images.inspect(daemon, checked(name, "Error: No such image: "), parsed.text("platform"))


def _network(daemon: "Daemon", name: str, parsed: "Parsed") -> "Document":
    return networks.inspect(daemon, checked(name, EMPTY_NETWORK), verbose=parsed.flag("verbose"))


def _volume(daemon: "Daemon", name: str, _: "Parsed") -> "Document":
    return volumes.inspect(daemon, checked(name, "invalid volume name or ID: value is empty"))


_KINDS: "dict[str, Find]" = {"container": _container, "image": _image, "network": _network, "volume": _volume}


def _any(session: "Session", parsed: "Parsed") -> int:
    """Without ``--type`` the kinds are tried in docker's order; an object of none of them is told as docker does."""
    wanted = parsed.text("type")
    if wanted in _UNBUILT:
        raise InvalidArgument(f"--type {wanted}: there are no such objects here")
    if wanted and wanted not in _KINDS:
        known = ", ".join(f'"{kind}"' for kind in sorted((*_KINDS, *_UNBUILT)))
        raise InvalidArgument(f'unknown type: "{wanted}": must be one of {known}')

    def find(daemon: "Daemon", name: str, parsed: "Parsed") -> "Document":
        if wanted:
            if parsed.flag("size") and wanted != "container":
                write_error(f"WARNING: --size ignored for {wanted}")
            return _KINDS[wanted](daemon, name, parsed)
        for kind, each in _KINDS.items():
            try:
                found = each(daemon, name, parsed)
                if parsed.flag("size") and kind != "container":
                    write_error(f"WARNING: --size ignored for {kind}")
                return found
            except Refused as error:
                if error.status != 404 and "invalid reference format" not in str(error):
                    raise
        raise InvalidArgument(f"Error: No such object: {name}")

    return _inspect(session, parsed, find)


def _inspect(session: "Session", parsed: "Parsed", find: "Find") -> int:
    return show(parsed.arguments, lambda name: find(session.daemon, name, parsed), parsed)


def show(names: list[str], find: "Callable[[str], Any]", parsed: "Parsed") -> int:
    """Print what is found of each name in the wanted form, then what could not be found; gives the exit code."""
    form = "json" if parsed.flag("json") else parsed.text("format")
    render = _renderer(form) if form not in ("", "json") else None
    found, failures = [], []
    for name in names:
        try:
            value = find(name)
            found.append(render(value) if render else value)
        except (Refused, InvalidArgument, NotFound) as error:
            failures.append(describe(error))
            if render and not isinstance(error, Refused) and "template" in str(error):
                write("")
                break
    _print(found, form)
    for failure in failures:
        write_error(failure)
    return 1 if failures else 0


def _renderer(form: str) -> "Callable[[Any], str]":
    from carrack.cli.render.evaluate import Template

    try:
        template = Template(form)
    except InvalidArgument as error:
        raise Exit(64, f"template parsing error: {error}") from error

    def render(value: "Any") -> str:
        try:
            return template.render(value)
        except InvalidArgument as error:
            raise InvalidArgument(f"template parsing error: {error}") from error

    return render


def _print(found: "list[Any]", form: str) -> None:
    if form == "":
        sys.stdout.write(document.indented(found) + "\n")
        return
    for value in found:
        write(value if isinstance(value, str) else document.dumps(value))


def _command(kind: str, usage: str, short: str, flags: "tuple[Flag, ...]", example: str) -> Command:
    find = _KINDS[kind]
    return Command(
        f"[OPTIONS] {usage} [{usage}...]",
        short,
        lambda session, parsed: _inspect(session, parsed, find),
        (*_FORMAT, *flags),
        least=1,
        most=None,
        example=example,
    )


_SIZE: "Flag" = ("size", "s", "bool", "Display total file sizes")
ANY = Command(
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Return low-level information on objects",
    _any,
    (*_FORMAT, _SIZE, ("type", "", "string", "Only inspect objects of the given type")),
    least=1,
    most=None,
    example="carrack inspect --format '{{.State.Status}}' web\n"
    "carrack inspect -f '{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}' web",
)
CONTAINER = _command(
    "container",
    "CONTAINER",
    "Display detailed information on one or more containers",
    (_SIZE,),
    "carrack container inspect web",
)
IMAGE = _command(
    "image",
    "IMAGE",
    "Display detailed information on one or more images",
    (("platform", "", "string", "Inspect a specific platform of the multi-platform image"),),
    "carrack image inspect -f '{{json .Config}}' busybox",
)
NETWORK = _command(
    "network",
    "NETWORK",
    "Display detailed information on one or more networks",
    (("verbose", "v", "bool", "Verbose output for diagnostics"),),
    "carrack network inspect bridge",
)
VOLUME = _command(
    "volume", "VOLUME", "Display detailed information on one or more volumes", (), "carrack volume inspect data"
)
