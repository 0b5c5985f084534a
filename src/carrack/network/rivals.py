"""Who else has a port of this host: asked only when a port is refused, and for long ranges."""

from collections.abc import Sequence

from carrack.linux.sockdiag import PortUser, SockDiag, processes

_NAMED = 3


def users(protocol: int, first: int, last: int, *, silent: bool = True) -> Sequence[PortUser]:
    """The sockets that have one of the ports, as `SockDiag.users`; OSError when the kernel cannot tell."""
    kernel = SockDiag()
    try:
        return kernel.users(protocol, first, last, silent=silent)
    finally:
        kernel.close()


def who(protocol: int, port: int) -> str:
    """The programs on a port in words (``nginx (pid 5)``), empty when they cannot be found."""
    try:
        inodes = {user.inode for user in users(protocol, port, port) if user.inode}
    except OSError:
        return ""
    found = [f"{command} (pid {pid})" for pid, command in processes(inodes)] if inodes else []
    more = ["…"] if len(found) > _NAMED else []
    return ", ".join(found[:_NAMED] + more)
