"""Daemons behind ssh: ``ssh HOST … system dial-stdio`` carries the bytes, so the other side needs no open port.

The program ``ssh`` is the user's own, with the keys, hosts and passwords that it knows; what it has to say goes to the
terminal. The other side may have either command line.
"""

import os
import socket

from carrack.client.transport import quote
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_REMOTE = "command -v carrack >/dev/null && exec carrack {0}system dial-stdio || exec docker {0}system dial-stdio"


def arguments(url: str) -> list[str]:
    """The words of the ssh command for ``ssh://[user@]host[:port][/path/of/socket]``.

    Raises InvalidArgument for a URL that ssh could take for an option, or that has a password in it.
    """
    rest = url.removeprefix("ssh://")
    place, slash, path = rest.partition("/")
    user, at, address = place.rpartition("@")
    name, colon, port = address.rpartition(":")
    if address.endswith("]") or not colon:
        name, port = address, ""
    name = name.strip("[]")
    if ":" in user:
        raise InvalidArgument(
            f"invalid host: {url.replace(user, user.partition(':')[0] + ':…')}: no passwords in a URL"
        )
    if not name or name.startswith("-") or user.startswith("-") or (colon and port and not port.isdigit()):
        raise InvalidArgument(f"invalid host {url!r}: it is written as ssh://user@name:port")
    if {"?", "#"} & set(rest):
        raise InvalidArgument(f"invalid host {url!r}: nothing may follow the path of the socket")
    words = ["ssh", "-o", "ConnectTimeout=30", "-T"]
    words += ["-l", user] if at else []
    words += ["-p", port] if port else []
    there = f"--host unix:///{quote(path, b'/')} " if slash and path else ""
    return [*words, "--", name, _REMOTE.format(there)]


def connect(url: str, environment: "Mapping[str, str]") -> socket.socket:
    """A stream to the daemon. Raises OSError where there is no ssh; a host that refuses shows as an early end."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), number) for number in (0, 1)]
            os.posix_spawnp("ssh", arguments(url), environment, file_actions=actions)
        except OSError as error:
            ours.close()
            raise OSError(error.errno, "the program ssh cannot be run: install it (openssh-client)", url) from error
    return ours
