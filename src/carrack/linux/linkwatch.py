"""Hear from the kernel when an interface is taken away, put down or robbed of an address, or when the host's
forwarding is switched.

Every start of a container makes and moves interfaces, which is told to all who listen. A filter in the kernel (classic
BPF, socket(7)) keeps that from waking anybody: only what harms the followed interfaces comes through.

Sources: rtnetlink(7), linux/netconf.h, linux/filter.h.
"""

import array
import errno
import socket
import struct
import sys
from collections.abc import Collection

from carrack.linux.netlink import NETLINK_ROUTE, Netlink
from carrack.linux.rtnetlink import IFF_UP, RTM_DELADDR, RTM_DELLINK, RTM_NEWLINK

RTM_NEWNETCONF = 80
_GROUPS = (1, 5, 9, 24, 25)  # RTNLGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR, _IPV4_NETCONF, _IPV6_NETCONF

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30  # from a fixed place in the message, made big-endian
_EQUAL, _ANY_BIT, _RETURN = 0x15, 0x45, 0x06
_TYPE, _INDEX, _FLAGS, _NETCONF_INDEX = 4, 20, 24, 24  # where they stand
_ALL_INTERFACES = 0xFFFFFFFF
_SO_ATTACH_FILTER = 26
_WHOLE = 0xFFFFFFFF
_MOST_FOLLOWED = 2000  # a filter has 4096 instructions at most


class LinkListener:
    """A socket, never blocking, on which the kernel tells of losses of some interfaces and of switched forwarding."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_ROUTE, groups=sum(1 << group - 1 for group in _GROUPS))

    def follow(self, indices: Collection[int]) -> None:
        """From now on tell of these interfaces."""
        program = harm(indices)
        code = array.array("B", program)
        address, _ = code.buffer_info()
        with socket.socket(fileno=self._netlink.fileno()) as borrowed:
            try:
                borrowed.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, address))
            finally:
                borrowed.detach()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def lost(self) -> bool:
        """Read all that has come: whether there was anything, notices that were lost included."""
        found = False
        try:
            while self._netlink.receive(wait=False):
                found = True
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise
            return True
        return found


def harm(indices: Collection[int]) -> bytes:
    """The filter that lets through: an interface's end, its being put down, the loss of an address, and changes of the
    switches of all interfaces (struct sock_filter, 8 bytes each).

    Of more interfaces than a filter has room for, any such change.
    """
    up = _FLAGS if sys.byteorder == "little" else _FLAGS + 3
    steps = [
        (_LOAD_HALF, 0, 0, _TYPE),
        (_EQUAL, 10, 0, _half(RTM_DELLINK)),
        (_EQUAL, 9, 0, _half(RTM_DELADDR)),
        (_EQUAL, 5, 0, _half(RTM_NEWLINK)),
        (_EQUAL, 0, 3, _half(RTM_NEWNETCONF)),
        (_LOAD_WORD, 0, 0, _NETCONF_INDEX),
        (_EQUAL, 0, 1, _ALL_INTERFACES),
        (_RETURN, 0, 0, _WHOLE),
        (_RETURN, 0, 0, 0),
        (_LOAD_BYTE, 0, 0, up),
        (_ANY_BIT, 0, 1, IFF_UP),
        (_RETURN, 0, 0, 0),
        (_LOAD_WORD, 0, 0, _INDEX),
    ]
    if len(indices) <= _MOST_FOLLOWED:
        for index in indices:
            steps += [(_EQUAL, 0, 1, _word(index)), (_RETURN, 0, 0, _WHOLE)]
        steps.append((_RETURN, 0, 0, 0))
    else:
        steps.append((_RETURN, 0, 0, _WHOLE))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _half(value: int) -> int:
    """As the kernel loads it: netlink has the host's order, and a load takes it for the network's."""
    return int(struct.unpack(">H", struct.pack("=H", value))[0])


def _word(value: int) -> int:
    return int(struct.unpack(">I", struct.pack("=I", value))[0])
