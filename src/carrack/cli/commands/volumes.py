"""``carrack volume create``, ``ls``, ``rm`` and ``update``."""

from carrack.cli.command import Command, each, write
from carrack.cli.render.fields import (
    FILTER,
    FORMAT,
    NOT_AVAILABLE,
    joined_labels,
    label_getter,
    natural,
    wanted_filters,
    wanted_form,
)
from carrack.client import volumes
from carrack.errors import InvalidArgument, NotSupported
from carrack.model.labels import labels
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "Driver": "DRIVER",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "Status": "STATUS",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
}
_CLUSTER = (
    "availability",
    "group",
    "limit-bytes",
    "required-bytes",
    "scope",
    "secret",
    "sharing",
    "topology-preferred",
    "topology-required",
    "type",
)


def _create(session: "Session", parsed: "Parsed") -> int:
    for name in _CLUSTER:
        if parsed.given(name):
            raise NotSupported(f"--{name} is for cluster volumes, which are not built yet")
    if parsed.arguments and parsed.given("name") and parsed.text("name") != parsed.arguments[0]:
        raise InvalidArgument(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg"
        )
    body: Document = {"Driver": parsed.text("driver", "local")}
    if name := parsed.arguments[0] if parsed.arguments else parsed.text("name"):
        body["Name"] = name
    if parsed.given("opt"):
        body["DriverOpts"] = dict(parsed.value("opt"))
    if parsed.given("label"):
        body["Labels"] = labels(parsed.words("label"))
    write(volumes.create(session.daemon, body)["Name"])
    return 0


def _list(session: "Session", parsed: "Parsed") -> int:
    if parsed.flag("cluster"):
        raise NotSupported("--cluster: cluster volumes are not built yet")
    answer = volumes.listing(session.daemon, wanted_filters(parsed))
    found = sorted(answer.get("Volumes") or [], key=lambda volume: natural(volume["Name"]))
    form = wanted_form(parsed, session.settings.text("volumesFormat"))
    if parsed.flag("quiet") and form in ("", "table"):
        for volume in found:
            write(volume["Name"])
        return 0
    from carrack.cli.render.table import print_rows

    print_rows(
        [row(volume) for volume in found],
        HEADINGS,
        "Driver Name",
        form,
        "*formatter.volumeContext",
        quiet=parsed.flag("quiet"),
    )
    return 0


def row(volume: "Document") -> "dict[str, Any]":
    usage = volume.get("UsageData")
    return {
        "Driver": volume.get("Driver", ""),
        "Name": volume["Name"],
        "Scope": volume.get("Scope", ""),
        "Mountpoint": volume.get("Mountpoint", ""),
        "Labels": joined_labels(volume.get("Labels")),
        "Label": label_getter(volume.get("Labels")),
        "Links": str(usage["RefCount"]) if usage else NOT_AVAILABLE,
        "Size": human_size(usage["Size"]) if usage else NOT_AVAILABLE,
        "Status": NOT_AVAILABLE,
        "Availability": NOT_AVAILABLE,
        "Group": NOT_AVAILABLE,
    }


def _remove(session: "Session", parsed: "Parsed") -> int:
    daemon, force = session.daemon, parsed.flag("force")
    return each(session, parsed.arguments, lambda name: volumes.remove(daemon, name, force=force))


def _update(session: "Session", parsed: "Parsed") -> int:
    if volumes.inspect(session.daemon, parsed.arguments[0]).get("ClusterVolume") is None:
        raise InvalidArgument("can only update cluster volumes")
    raise NotSupported("cluster volumes are not built yet")


CREATE = Command(
    "[OPTIONS] [VOLUME]",
    "Create a volume",
    _create,
    (
        ("driver", "d", "string", 'Specify volume driver name (default "local")'),
        ("label", "", "label", "Set metadata for a volume"),
        ("name", "", "string", ""),
        ("opt", "o", "map", "Set driver specific options"),
        *((name, "", "string", "For cluster volumes (not built yet)") for name in _CLUSTER),
    ),
    most=1,
    example="carrack volume create --label use=db data",
)
LIST = Command(
    "[OPTIONS]",
    "List volumes",
    _list,
    (
        ("cluster", "", "bool", "Display only cluster volumes (not built yet)"),
        FILTER,
        *FORMAT,
        ("quiet", "q", "bool", "Only display volume names"),
    ),
    example="carrack volume ls --filter dangling=true",
)
REMOVE = Command(
    "[OPTIONS] VOLUME [VOLUME...]",
    "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
    _remove,
    (("force", "f", "bool", "Force the removal of one or more volumes"),),
    least=1,
    most=None,
    example="carrack volume rm data",
)
UPDATE = Command(
    "[OPTIONS] VOLUME",
    "Update a volume (cluster volumes only)",
    _update,
    (("availability", "", "string", 'Cluster volume availability: "active", "pause" or "drain"'),),
    least=1,
    most=1,
    example="carrack volume update --availability drain data",
)
