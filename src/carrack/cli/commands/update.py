"""``carrack update``: limits, restart policy and published ports changed while containers exist."""

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
    _ports(parsed, body)
    if not body:
        raise Exit(1, "you must provide one or more flags when using this command")
    daemon = session.daemon

    def change(name: str) -> None:
        for warning in (containers.update(daemon, name, body) or {}).get("Warnings") or []:
            write_error(f"WARNING: {warning}")

    return each(session, parsed.arguments, change)


def _ports(parsed: "Parsed", body: "Document") -> None:
    """Published ports to come and to go; these are ours, docker has no such flags."""
    if not (parsed.given("publish-add") or parsed.given("publish-rm")):
        return
    from carrack.model.ports import parse_published, parse_withdrawn

    for word in parsed.words("publish-add"):
        for port in parse_published(word):
            body.setdefault("PublishAdd", {}).setdefault(port.container, []).append(port.binding())
    if parsed.given("publish-rm"):
        body["PublishRemove"] = [name for word in parsed.words("publish-rm") for name in parse_withdrawn(word)]


UPDATE = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Update configuration of one or more containers",
    _update,
    (
        *(flag for flag in CREATE_FLAGS if flag[0] in (*_KEYS, "restart")),
        ("publish-add", "", "list", "Publish a further port, as --publish does, without a restart"),
        ("publish-rm", "", "list", "Withdraw a published port: [HOST-PORT:]CONTAINER-PORT[/PROTOCOL]"),
    ),
    least=1,
    most=None,
    example="carrack update -m 256m --memory-swap 512m web\n"
    "carrack update --publish-add 8443:443,allow=10.0.0.0/8 --publish-rm 8080:80 web",
)
