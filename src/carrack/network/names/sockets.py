"""The sockets of the resolver inside a sandbox, and the redirect that makes them answer on port 53.

::

    program ──▶ 127.0.0.11:53 ══ output hook: port 53 → P ══▶ 127.0.0.11:P, ours ──▶ resolver process
            ◀── 127.0.0.11:53 ══ postrouting hook: P → 53 ══ answer

They are bound to a port of no use to anyone, so that the container may bind 0.0.0.0:53 itself. The ports in the
packets are rewritten without connection tracking: less for the kernel to do for each question, to make and to tear
down with the sandbox. Rewriting is done before conntrack sees a question and after it has seen an answer, so that who
uses it in the container sees one whole conversation with port P.

On a kernel that cannot do it the sockets are bound to port 53 itself.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import struct
from collections.abc import Iterable

from carrack.linux import nft_expressions as nft
from carrack.linux import nft_messages as nftables
from carrack.linux.netlink import Message
from carrack.linux.nftables import Nftables
from carrack.network.sandbox import run_inside

ADDRESS = "127.0.0.11"
PORT = 53
#: of the table inside; a program that loads its own rules there has no reason to use it
TABLE = "carrack-names"
#: outside of the usual ephemeral range, and of what programs like to listen on
_PORTS = range(61000, 65536)
_TRIES = 100
_BACKLOG = 64
_OUTPUT, _ANSWERS = "questions", "answers"
#: after everything else that looks at outgoing packets
_LAST = 300
_CHECKSUMS = {socket.IPPROTO_UDP: 6, socket.IPPROTO_TCP: 16}
#: what a kernel without nf_tables, or without a part of it that is needed, says
_LACKING = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.ENOENT, errno.EINVAL)


def open_inside(netns_fd: int) -> list[int]:
    """UDP and TCP descriptors of 127.0.0.11, made in the network namespace, with the redirect of port 53 to them.

    Blocking, from any thread: the work is done in one of its own, which ends in the foreign namespace. Called again
    for the same namespace, the redirect leads to the latest sockets. OSError with the kernel's reason.
    """
    return run_inside(netns_fd, _open)


def ours(fds: Iterable[int]) -> list[int]:
    """Those descriptors that `open_inside` made, the latest UDP and TCP one; nothing when one of them is missing."""
    found: dict[int, int] = {}
    for fd in fds:
        try:
            sock = socket.socket(fileno=fd)
        except OSError:  # no socket
            continue
        try:
            if sock.family == socket.AF_INET and sock.getsockname()[0] == ADDRESS:
                found[int(sock.type) & ~int(socket.SOCK_NONBLOCK)] = fd
        finally:
            sock.detach()
    kinds = (int(socket.SOCK_DGRAM), int(socket.SOCK_STREAM))
    return [found[kind] for kind in kinds] if all(kind in found for kind in kinds) else []


def _open() -> list[int]:
    with contextlib.ExitStack() as undo:
        udp, tcp = _bound(undo)
        try:
            redirect(udp.getsockname()[1], tcp.getsockname()[1])
        except OSError as error:
            if error.errno not in _LACKING:
                raise
            undo.close()
            udp, tcp = _bound(undo, PORT)
        tcp.listen(_BACKLOG)
        undo.pop_all()
    return [udp.detach(), tcp.detach()]


def _bound(undo: contextlib.ExitStack, port: int = 0) -> tuple[socket.socket, socket.socket]:
    """Sockets on that port, or on one and the same that is free for both."""
    for attempt in range(_TRIES):
        number = port or secrets.choice(_PORTS)
        try:
            with contextlib.ExitStack() as failed:
                pair = []
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    sock = failed.enter_context(socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK))
                    sock.bind((ADDRESS, number))
                    pair.append(sock)
                undo.push(failed.pop_all())
                return pair[0], pair[1]
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port or attempt == _TRIES - 1:
                raise OSError(error.errno, f"{error.strerror}: {ADDRESS}:{number} in a sandbox") from error
    raise AssertionError("unreachable")


def redirect(udp: int, tcp: int) -> None:
    """Lead port 53 of 127.0.0.11 to these ports, in the network namespace of the calling thread."""
    tables = Nftables()
    try:
        rules = rule_set(udp, tcp)
        try:
            tables.commit([nftables.add_table(TABLE, new=True), *rules])
        except FileExistsError:  # from earlier sockets of this sandbox
            first, delete = nftables.add_table(TABLE), nftables.delete_table(TABLE)
            tables.commit([first, delete, first, *rules])
    finally:
        tables.close()


def rule_set(udp: int, tcp: int) -> list[Message]:
    """Chains and rules, without the table."""
    add, accept = nftables.add_rule, nft.ACCEPT
    messages = [
        nftables.add_chain(TABLE, _OUTPUT, "filter", nftables.OUTPUT, nftables.PRIORITY_RAW, policy=accept),
        nftables.add_chain(TABLE, _ANSWERS, "filter", nftables.POSTROUTING, _LAST, policy=accept),
    ]
    for protocol, port in ((socket.IPPROTO_UDP, udp), (socket.IPPROTO_TCP, tcp)):
        ours, well_known = struct.pack(">H", port), struct.pack(">H", PORT)
        only = nft.meta(nft.META_L4PROTO) + nft.compare(bytes([protocol]))
        address = nft.compare(socket.inet_aton(ADDRESS))
        checksum = _CHECKSUMS[protocol]
        to = nft.destination_address() + address + only + nft.destination_port() + nft.compare(well_known)
        back = nft.source_address() + address + only + nft.source_port() + nft.compare(ours)
        messages.append(add(TABLE, _OUTPUT, to + nft.set_destination_port(ours, checksum), "questions to the resolver"))
        messages.append(add(TABLE, _ANSWERS, back + nft.set_source_port(well_known, checksum), "answers from it"))
    return messages
