"""One-to-one SCTP from Python's standard library: a server inside a namespace, and a client. Few kernels have it."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from carrack.network.sandbox import run_inside


def connection(family: int = socket.AF_INET) -> socket.socket:
    """OSError where the kernel has no SCTP."""
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)


def has_sctp() -> bool:
    """Whether this kernel has it, as a module or built in."""
    try:
        connection().close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def served(netns_fd: int, port: int) -> Iterator[None]:
    """Answers every association, of both families, with its peer's address and what it said."""
    server = run_inside(netns_fd, lambda: connection(socket.AF_INET6))
    server.bind(("::", port))
    server.listen(16)
    server.settimeout(0.05)  # nothing else ends a wait for associations
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                client, peer = server.accept()
                with client:
                    client.send(f"{peer[0].removeprefix('::ffff:')} {client.recv(9000).decode()}".encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        server.close()


def ask(address: str, port: int, said: str = "hello", *, timeout: float = 3.0) -> str | None:
    """The address under which a server sees us, when it also heard what we said; None when it cannot be reached."""
    with connection(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
        client.settimeout(timeout)
        try:
            client.connect((address, port))
            client.send(said.encode())
            seen, _, heard = client.recv(9000).decode().partition(" ")
        except OSError:
            return None
    return seen if heard == said else None
