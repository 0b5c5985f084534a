"""``--use-api-socket``: the container gets the daemon's socket, at the place where clients look for it."""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLACE = "/var/run/docker.sock"


def share_socket(body: "dict[str, Any]", url: str) -> None:
    """Add the mount to a create request. Raises InvalidArgument for a daemon that is not on a unix socket here."""
    scheme, _, path = url.partition("://")
    if scheme != "unix":
        raise InvalidArgument(f"--use-api-socket needs a daemon on a unix socket of this machine, and this is {url}")
    mount = {"Type": "bind", "Source": path, "Target": _PLACE, "BindOptions": {}}
    body.setdefault("HostConfig", {}).setdefault("Mounts", []).append(mount)
