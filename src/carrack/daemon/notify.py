"""Tells systemd how the daemon fares (sd_notify(3)); silent where no service manager listens."""

from __future__ import annotations

import socket


def notify(address: str, state: str) -> None:
    """Send `state`, e.g. "READY=1", to the notification socket at `address`; "@" begins an abstract name."""
    if not address:
        return
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(state.encode(), target)
    except OSError:
        pass  # a manager that has gone is no reason to fail
