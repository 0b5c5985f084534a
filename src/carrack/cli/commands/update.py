"""``carrack update``: limits and restart policy changed while containers exist."""

from carrack.cli.command import Command, each, write_error
from carrack.cli.container_config import restart_policy
from carrack.cli.container_flags import CREATE_FLAGS
from carrack.cli.exit import Exit
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_KEYS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "pids-limit": "PidsLimit",
}


def _update(session: "Session", parsed: "Parsed") -> int:
    body: Document = {key: parsed.value(name) for name, key in _KEYS.items() if parsed.given(name)}
    if parsed.given("restart"):
        body["RestartPolicy"] = restart_policy(parsed.text("restart"))
    if not body:
        raise Exit(1, "you must provide one or more flags when using this command")
    daemon = session.daemon

    def change(name: str) -> None:
        for warning in (containers.update(daemon, name, body) or {}).get("Warnings") or []:
            write_error(f"WARNING: {warning}")

    return each(session, parsed.arguments, change)


UPDATE = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Update configuration of one or more containers",
    _update,
    tuple(flag for flag in CREATE_FLAGS if flag[0] in (*_KEYS, "restart")),
    least=1,
    most=None,
    example="carrack update -m 256m --memory-swap 512m web",
)
