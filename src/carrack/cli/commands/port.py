"""``carrack port``: where a container's ports are published."""

from carrack.cli.command import Command, checked, write
from carrack.cli.exit import Exit
from carrack.cli.render.fields import natural
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _port(session: "Session", parsed: "Parsed") -> int:
    name, *wanted = parsed.arguments
    found = containers.inspect(session.daemon, checked(name))
    published = (found.get("NetworkSettings") or {}).get("Ports") or {}
    if wanted:
        number = wanted[0].partition("/")[0]
        if not (number.isascii() and number.isdigit()):
            told = f'strconv.ParseUint: parsing "{number}": invalid syntax'
            raise Exit(1, f"Error: invalid port ({wanted[0]}): {told}")
        key = wanted[0] if "/" in wanted[0] else f"{wanted[0]}/tcp"
        if not published.get(key):
            raise Exit(1, f"Error: No public port '{wanted[0]}' published for {name}")
        lines = [_address(binding) for binding in published[key]]
    else:
        lines = [f"{port} -> {_address(each)}" for port, bindings in published.items() for each in bindings or []]
    for line in sorted(lines, key=natural):
        write(line)
    return 0


def _address(binding: dict[str, str]) -> str:
    host = binding["HostIp"]
    return f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"


PORT = Command(
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    _port,
    least=1,
    most=2,
    example="carrack port web 80/tcp",
)
