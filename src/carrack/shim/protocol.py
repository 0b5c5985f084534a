"""The words that daemon, zygote and shim exchange, and the files a shim leaves in a container's run directory.

All messages are packets of :mod:`carrack.runtime.channel`. Three conversations use them:

- daemon → zygote: ``{"slot": plan}`` with the shim's end of a new socket first, then the namespaces to join. The
  zygote says ``{"ready": pid}`` once, when everything is imported. ``{"userns": maps}`` with one end of a new socket:
  there a fork of the zygote answers ``{"userns": true}`` with a user namespace, or ``{"errno": n, "error": text}``.
- daemon ↔ shim, on that socket: the shim says ``{"ready": {...}}`` with descriptors when the sandbox stands. The end
  of file before ``start`` means: throw it away.
- daemon ↔ shim, on that socket and on later connections to ``shim.sock``: requests ``{"id": n, "op": name, ...}``,
  answered once by ``{"id": n, "ok": ...}`` or ``{"id": n, "error": {...}}``; notices ``{"event": name, ...}`` go to
  every connection. A connection to ``shim.sock`` begins with ``{"event": "state", ...}``.

A descriptor inside a plan is written as an index into the descriptors beside the message.

Run directory of a container, as the shim sees it::

    <directory>/shim.sock   listening, 0600, from start to exit
    <directory>/shim.json   {"container", "cgroup", "pid"}: what to clean when the shim itself was killed
    <directory>/exit        {"code", "at", "oom_killed"}: written before the exit is told
    <directory>/shim.crash  {"traceback"}: of a shim that failed, a defect
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SOCKET_FILE = "shim.sock"
STATE_FILE = "shim.json"
EXIT_FILE = "exit"
CRASH_FILE = "shim.crash"

#: descriptors in one message: the kernel's own limit (SCM_MAX_FD) is 253
MAX_FDS = 250

#: the step that failed, when a further process could not be started because the container has ended
STOPPED = "stopped"

_LISTS = ("stdio", "inherit")


class StartError(Exception):
    """What failed, worded for the user; exit_code as ``docker run`` would end (125, 126, 127)."""

    def __init__(self, stage: str, message: str, exit_code: int = 125) -> None:
        super().__init__(message)
        self.stage = stage
        self.exit_code = exit_code

    def document(self) -> dict[str, Any]:
        return {"stage": self.stage, "message": str(self), "exit_code": self.exit_code}


def rewrite(plan: dict[str, Any], change: Callable[[int], int]) -> dict[str, Any]:
    """The plan with every descriptor in it replaced by change(descriptor); None and -1 stand for no descriptor."""
    result = dict(plan)
    for key, value in plan.items():
        if key == "source_fds":
            result[key] = {index: change(fd) for index, fd in value.items()}
        elif key in _LISTS and value is not None:
            result[key] = [fd if fd is None or fd < 0 else change(fd) for fd in value]
        elif key.endswith("_fd") and value is not None and value >= 0:
            result[key] = change(value)
    return result


def pack(plan: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
    """Turn the descriptors of a plan (indexes into ``fds``) into a plan for another message: (plan, its fds).

    Raises ValueError when the plan names a descriptor that did not come.
    """
    packed: list[int] = []

    def move(index: int) -> int:
        if not isinstance(index, int) or index >= len(fds):
            raise ValueError(f"the plan names descriptor {index} of {len(fds)}")
        packed.append(fds[index])
        return len(packed) - 1

    return rewrite(plan, move), packed


def unpack(plan: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """The plan with its indexes replaced by the descriptors that came with it."""
    return rewrite(plan, fds.__getitem__)


def exit_code(status: int) -> int:
    """A wait status as users know it: 128 + signal for a killed process (the shells' convention)."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8 & 0xFF
