"""What builds leave in a daemon that tests share, and how it is taken away."""

from __future__ import annotations

from tests.cli.running import Cli, DaemonProcess, api


def forget_steps(daemon: DaemonProcess) -> None:
    """Remove all that is remembered of builds."""
    api(daemon, "POST", "/build/prune?all=1")


def forget_builds(daemon: DaemonProcess, command: Cli, image: str) -> None:
    """The same, and every image but the one that builds begin with."""
    base = command("images", "-q", image).stdout.strip()
    for identity in command("images", "-aq").stdout.split():
        if identity != base:
            command("rmi", "-f", identity, check=False)
    forget_steps(daemon)
