"""Signals without the standard library's ``signal`` package, whose enumerations cost start-up time."""

import _signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[[int, Any], object] | int | None


def number(name: str) -> int:
    """The number of ``TERM``, ``INT``, …"""
    value: int = getattr(_signal, f"SIG{name}")
    return value


def handle(signal: int, handler: "Handler") -> "Handler":
    """Install a handler and return the one before it (signal(2))."""
    before: Handler = _signal.signal(signal, handler)
    return before
