"""The registry server as one object, to be run as a program or inside another one.

with Registry(Settings(root=Path("/srv/registry"))) as registry:
    registry.listen(socket.create_server(("127.0.0.1", 0)))
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import ssl
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType

from carrack.errors import CarrackError, Conflict
from carrack.registry_server.app import App, Gatekeeper, Open, Policy
from carrack.registry_server.collector import Collected, Collector
from carrack.registry_server.config import Settings
from carrack.registry_server.gatekeepers import SERVICE, ByPassword, ByToken
from carrack.registry_server.mirror import Mirror
from carrack.registry_server.passwords import Passwords
from carrack.registry_server.repositories import Repositories
from carrack.registry_server.rights import Rights
from carrack.registry_server.server import Server
from carrack.registry_server.tokens import Tokens, key_at
from carrack.registry_server.uploads import Uploads
from carrack.registry_server.upstream import Upstream

log = logging.getLogger(__name__)

LOCK = "lock"


class Registry:
    """Opens the registry below `settings.root`; raises Conflict when another process has it, InvalidArgument or OSError
    for settings that cannot be followed. Close it, or use it in a `with`."""

    def __init__(self, settings: Settings) -> None:
        self._stack = ExitStack()
        self._waker = threading.Event()
        self._stopped = False
        with self._stack:
            settings.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stack.enter_context(_Owning(settings.root))
            self.repositories = Repositories(settings.root)
            uploads = Uploads(self.repositories)
            self.collector = Collector(self.repositories, uploads, settings.retention, settings.grace)
            rights = Rights(settings.access, closed=bool(settings.htpasswd))
            mirror, closed = None, "this registry is read-only" if settings.read_only else ""
            if settings.proxy is not None:
                upstream = self._stack.enter_context(closing(Upstream(settings.proxy)))
                mirror = Mirror(self.repositories, uploads, upstream, settings.proxy.fresh)
                closed = f"this registry stands before {settings.proxy.remote}: push there"
            app = App(self.repositories, uploads, _gatekeeper(settings, rights), Policy(rights, closed), mirror)
            self.server = Server(app, settings.clients)
            self._every = settings.every if not settings.read_only else 0.0
            threading.Thread(target=self._tend, name="collector", daemon=True).start()
            self._stack = self._stack.pop_all()

    def listen(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which belongs to the registry from now on."""
        self.server.listen(sock, tls)

    def collect(self) -> Collected:
        """Remove what rules let go and what nothing leads to."""
        return self.collector.collect()

    def collect_soon(self) -> None:
        """Have it done by another thread."""
        self._waker.set()

    def close(self, grace: float = 10.0) -> None:
        """Serve no more; requests being served get `grace` seconds."""
        self._stopped = True
        self._waker.set()
        self.server.close(grace)
        self._stack.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tend(self) -> None:
        while True:
            self._waker.wait(self._every or None)
            self._waker.clear()
            if self._stopped:
                return
            try:
                self.collect()
            except (CarrackError, OSError) as error:
                log.warning("the collection of garbage was given up: %s", error)
            except Exception:
                log.exception("the collection of garbage has failed")


class _Owning:
    """One process per root, by a lock that ends with it."""

    def __init__(self, root: Path) -> None:
        self._path = root / LOCK

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Conflict(
                f"another registry is running on {self._path.parent}; stop it, or choose another root"
            ) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def _gatekeeper(settings: Settings, rights: Rights) -> Gatekeeper:
    if not settings.htpasswd:
        return Open()
    passwords = Passwords(Path(settings.htpasswd))
    if not settings.tokens:
        return ByPassword(passwords)
    return ByToken(passwords, Tokens(key_at(settings.root / "token.key"), SERVICE), rights, settings.url)
