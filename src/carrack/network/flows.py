"""Keep talk over UDP on the right track when ports open and close.

A client that has been sending to a port before it was published, or while it led to another container, would go on
talking to nobody: the kernel must forget what it knows of it.
"""

import logging
from collections.abc import Callable, Iterable
from socket import IPPROTO_UDP

from carrack.linux.conntrack import Connection, Conntrack
from carrack.network.mappings import PortMapping, family_of

_LOG = logging.getLogger(__name__)
_Test = Callable[[Connection, PortMapping], bool]


def begin(conntrack: Conntrack, mappings: Iterable[PortMapping]) -> None:
    """After publishing: forget what went to these ports untranslated."""
    _forget(conntrack, _udp(mappings), lambda c, _: not c.translated)


def end(conntrack: Conntrack, mappings: Iterable[PortMapping]) -> None:
    """After withdrawing: forget what was led to the container, or to the relay for it."""
    _forget(conntrack, _udp(mappings), lambda c, mapping: mapping.relayed or c.reply_source == mapping.address)


def _udp(mappings: Iterable[PortMapping]) -> list[PortMapping]:
    return [mapping for mapping in mappings if mapping.protocol == "udp" and mapping.host_port]


def _forget(conntrack: Conntrack, udp: list[PortMapping], stale: _Test) -> None:
    """Nothing is asked when no UDP is concerned. A kernel that will not tell is no reason to fail a start."""
    ports = {mapping.host_port + n for mapping in udp for n in range(mapping.count)}
    families = {mapping.family.number for mapping in udp}
    try:
        for family in families:
            conntrack.forget(lambda c: c.port in ports and any(_goes_to(c, m) and stale(c, m) for m in udp), family)
    except OSError as e:
        _LOG.warning("old UDP traffic to published ports cannot be redirected: %s", e)


def _goes_to(connection: Connection, mapping: PortMapping) -> bool:
    inside = mapping.host_port <= connection.port < mapping.host_port + mapping.count
    addressed = mapping.host_ip in (family_of(connection.destination).any, connection.destination)
    return connection.protocol == IPPROTO_UDP and inside and addressed
