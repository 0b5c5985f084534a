"""Resource limits by their OCI names (getrlimit(2); OCI runtime specification, config "rlimits")."""

from __future__ import annotations

import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

INFINITY = 2**64 - 1

#: Linux's numbering; the names in its order
RLIMITS: dict[str, int] = {
    f"RLIMIT_{name}": number
    for number, name in enumerate(
        ("CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME").split()
    )
}


def apply(limits: Iterable[tuple[str, int, int]], pid: int = 0) -> None:
    """Set (type, soft, hard) triples, INFINITY (2**64-1) for no limit, on a process; 0 is the caller.

    ValueError: an unknown type, a number out of range, soft above hard. PermissionError: a hard limit raised without
    CAP_SYS_RESOURCE.
    """
    for name, soft, hard in limits:
        if name not in RLIMITS:
            raise ValueError(f"unknown resource limit {name!r}")
        if not 0 <= soft <= hard <= INFINITY:
            raise ValueError(f"{name}: soft limit {soft} and hard limit {hard}: both from 0, and soft not above hard")
        try:
            resource.prlimit(pid, RLIMITS[name], (_signed(soft), _signed(hard)))
        except OSError as error:
            raise OSError(error.errno, f"cannot set it to {soft}:{hard}: {error.strerror}", name) from None
        except ValueError as error:  # what the module makes of EINVAL and EPERM
            raise PermissionError(1, f"cannot set it to {soft}:{hard}: {error}", name) from None


def _signed(value: int) -> int:
    """The same 64 bits as the C type that the module takes."""
    return value - 2**64 if value >= 2**63 else value
