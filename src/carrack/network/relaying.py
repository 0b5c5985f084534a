"""The daemon's side of the relay: its sockets are always there, the process only once somebody has called.

Belongs to the event loop, except for what its docstrings say.
"""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import carrack
from carrack.network.bindings import Binding, Way
from carrack.network.mappings import ANY6, LOOPBACK6

_LOG = logging.getLogger(__name__)
_BACKLOG = 1024
_TRIES = 20
_PAUSE_SECONDS = 1.0
_MODULE = ("-P", "-s", "-S", "-m", "carrack.network.relay")

Row = tuple[str, str, int, str, int, int]


def rows(bindings: Iterable[Binding], way: Way) -> list[Row]:
    """Of published ports, those that the relay serves, as it reads them."""
    found = []
    for one in bindings:
        for address in one.addresses:
            target = way.address6 or way.address4
            if ":" not in address or not one.host_port or not target:
                continue
            if way.address6 and address not in (ANY6, LOOPBACK6):
                continue
            host_ip = LOOPBACK6 if way.address6 else address
            found.append((one.protocol, host_ip, one.host_port, target, one.container_port, one.count))
    return found


class Relays:
    """Life: made in any thread (OSError when there is no IPv6), `change` at each change of ports, `close` in the end.

    ``port`` is where the firewall redirects to.
    """

    def __init__(self, table: str, python: str = "") -> None:
        self._table = table
        self._python = python or getattr(sys, "_base_executable", "") or sys.executable
        self._tcp, self._udp = _sockets()
        self.port = int(self._tcp.getsockname()[1])
        self._rows: list[Row] = []
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._armed = False

    @property
    def pid(self) -> int:
        """The relay's process, 0 when none runs."""
        return self._process.pid if self._process is not None else 0

    def change(self, rows: list[Row]) -> None:
        """Serve these ports from now on."""
        self._rows = rows
        if self._control is not None:
            self._tell(rows or None)
            if not rows:
                self._let_go()
        self._arm()

    def close(self, *, for_good: bool = False) -> None:
        """Let go of the sockets. A relay that runs goes on without us, or ``for_good`` ends with its connections."""
        if for_good and self._control is not None:
            self._tell(None)
        self._rows = []
        self._arm()
        self._let_go()
        self.abandon()

    def abandon(self) -> None:
        """Let go of sockets that were never in use, from any thread."""
        self._tcp.close()
        self._udp.close()

    def _arm(self) -> None:
        """Wait for the first client as long as there are ports and no process."""
        wanted = bool(self._rows) and self._control is None
        if wanted == self._armed:
            return
        loop = asyncio.get_running_loop()
        for end in (self._tcp, self._udp):
            if wanted:
                loop.add_reader(end, self._called)
            else:
                loop.remove_reader(end)
        self._armed = wanted

    def _called(self) -> None:
        try:
            self._start()
        except OSError as e:
            _LOG.error("the relay for IPv6 clients cannot be started: %s", e)
            self._pause()
        self._arm()

    def _start(self) -> None:
        with ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            with theirs:
                ends = [end.fileno() for end in (theirs, self._tcp, self._udp)]
                command = [self._python, *_MODULE, self._table, *map(str, ends)]
                self._process = subprocess.Popen(
                    command,
                    env={"PYTHONPATH": str(Path(carrack.__file__).parent.parent), "LANG": "C.UTF-8"},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    pass_fds=ends,
                    start_new_session=True,
                )
            undo.pop_all()
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._ended)
        self._tell(self._rows)

    def _tell(self, rows: list[Row] | None) -> None:
        assert self._control is not None
        data = json.dumps(rows).encode() + b"\n"
        try:
            if self._control.send(data) == len(data):
                return
        except OSError as e:
            _LOG.warning("the relay for IPv6 clients does not listen: %s", e)
        self._let_go()

    def _ended(self) -> None:
        """The relay has ended, which it does only by accident: the next client has it started again."""
        _LOG.warning("the relay for IPv6 clients has ended: it comes back when it is needed")
        self._let_go()
        self._pause()

    def _pause(self) -> None:
        """Not at once, lest a relay that cannot live is started all the time."""
        self._armed = True
        loop = asyncio.get_running_loop()
        for end in (self._tcp, self._udp):
            loop.remove_reader(end)
        loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._tcp.fileno() >= 0:
            self._armed = False
            self._arm()

    def _let_go(self) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._process is not None:
            _reap(self._process)
            self._process = None


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Take note of its end, whenever that is."""
    if process.poll() is not None:
        return
    loop = asyncio.get_running_loop()
    pidfd = os.pidfd_open(process.pid)
    process.returncode = 0  # nobody else is to wait for it

    def ended() -> None:
        loop.remove_reader(pidfd)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)

    loop.add_reader(pidfd, ended)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """One port for both protocols."""
    for _ in range(_TRIES):
        with ExitStack() as undo:
            tcp = undo.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            udp = undo.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            for end in (tcp, udp):
                end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tcp.bind(("::", 0))
            try:
                udp.bind(("::", tcp.getsockname()[1]))
            except OSError:
                continue
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)  # of the first datagram, too
            tcp.listen(_BACKLOG)
            undo.pop_all()
            return tcp, udp
    raise OSError("no port is free for both TCP and UDP over IPv6")
