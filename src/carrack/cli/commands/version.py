"""``carrack version``: this program's and the daemon's."""

import posix

from carrack import __version__
from carrack.cli.command import Command, write
from carrack.cli.exit import Exit, unreachable
from carrack.client import document, system
from carrack.client.transport import NEWEST_VERSION, Unreachable
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document


def _version(session: "Session", parsed: "Parsed") -> int:
    form = "json" if parsed.flag("json") else parsed.text("format")
    template = None
    if form not in ("", "json"):
        from carrack.cli.render.evaluate import Template

        try:
            template = Template(form)
        except InvalidArgument as error:
            raise Exit(64, f"template parsing error: {error}") from error
    failure, server = None, None
    try:
        server = system.version(session.daemon)
        server.setdefault("Experimental", False)
    except Unreachable as error:
        failure = unreachable(error.url, error.error)
    client = _client(session)
    value = {"Client": client, "Server": server}
    if template is not None:
        write(template.render(value))
    elif form == "json":
        write(document.dumps(value))
    else:
        _print_client(client)
        if server is not None:
            _print_server(server)
    if failure:
        raise Exit(1, failure)
    return 0


def _client(session: "Session") -> "Document":
    machine = posix.uname()
    arch = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine.machine, machine.machine)
    return {
        "Version": __version__,
        "ApiVersion": session.daemon.version,
        "DefaultAPIVersion": NEWEST_VERSION,
        "Os": machine.sysname.lower(),
        "Arch": arch,
        "Context": session.context_name,
    }


def _print_client(client: "Document") -> None:
    write("Client: Carrack")
    _lines(" ", {"Version": client["Version"], "API version": client["ApiVersion"]})
    _lines(" ", {"OS/Arch": f"{client['Os']}/{client['Arch']}", "Context": client["Context"]})


def _print_server(server: "Document") -> None:
    name = (server.get("Platform") or {}).get("Name")
    write(f"\nServer: {name}" if name else "\nServer:")
    for part in server.get("Components") or []:
        details = part.get("Details") or {}
        write(f" {part['Name']}:")
        shown = {"Version": part.get("Version", "")}
        if part["Name"] == "Engine":
            shown["API version"] = (
                f"{details.get('ApiVersion', '')} (minimum version {details.get('MinAPIVersion', '')})"
            )
            if details.get("GoVersion"):
                shown["Go version"] = details["GoVersion"]
            shown.update({"Git commit": details.get("GitCommit", ""), "Built": details.get("BuildTime", "")})
            shown["OS/Arch"] = f"{details.get('Os', '')}/{details.get('Arch', '')}"
            shown["Experimental"] = details.get("Experimental", "false")
        else:
            shown.update({key: value for key, value in details.items() if isinstance(value, str)})
        _lines("  ", shown)


def _lines(indent: str, values: dict[str, str]) -> None:
    for name, value in values.items():
        write(f"{indent}{name + ':':<{19 - len(indent)}}{value}")


VERSION = Command(
    "[OPTIONS]",
    "Show the Carrack version information",
    _version,
    (
        ("format", "f", "string", "Format output: 'json' or a Go TEMPLATE"),
        ("json", "", "bool", "Print JSON in one line (the same as --format json)"),
    ),
    example="carrack version -f '{{.Server.Version}}'",
)
