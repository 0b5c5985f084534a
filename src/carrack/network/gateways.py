"""A container's default routes, when the network it leaves by has changed."""

import errno

from carrack.linux import rtnetlink
from carrack.linux.netlink import Message, Netlink
from carrack.network.members import Ways


def lead(inner: Netlink, ways: Ways) -> None:
    """Make the routes inside lead by these endpoints, or nowhere. ``inner`` is a socket of the sandbox."""
    owners = rtnetlink.owners(inner)
    four, six = ways
    _route(inner, 4, owners, *((four.addresses.four, four.gateways.four) if four else ("", "")))
    _route(inner, 6, owners, *((six.addresses.six, six.gateways.six) if six else ("", "")))


def _route(inner: Netlink, version: int, owners: dict[str, int], own: str, gateway: str) -> None:
    if gateway:
        inner.batch([rtnetlink.default_route(gateway, owners.get(own, 0), replace=True)])
    else:
        _obey(inner, rtnetlink.delete_default_route(version))


def _obey(inner: Netlink, message: Message) -> None:
    try:
        inner.batch([message])
    except OSError as e:
        if e.errno not in (errno.ESRCH, errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            raise
