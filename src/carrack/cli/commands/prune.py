"""``prune`` of containers, images, volumes, networks and all of them: after a question, unless forced."""

import sys

from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.cli.render.fields import PRUNE_FILTER, prune_filters
from carrack.client import containers, images, networks, system, volumes
from carrack.client.transport import Refused
from carrack.errors import InvalidArgument
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from carrack.cli.command import Session
    from carrack.cli.flags import Flag, Parsed
    from carrack.client.document import Document
    from carrack.client.transport import Daemon

_FORCE: "Flag" = ("force", "f", "bool", "Do not prompt for confirmation")


def confirm(parsed: "Parsed", warning: str) -> None:
    """Ask, unless ``--force``; anything but yes ends the program quietly, as it is no failure."""
    if parsed.flag("force"):
        return
    write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ", end="")
    sys.stdout.flush()
    answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        raise Exit(0)


def _containers(session: "Session", parsed: "Parsed") -> int:
    confirm(parsed, "This will remove all stopped containers.")
    return _total(_prune_containers(session.daemon, prune_filters(parsed, session.settings.prune_filters())))


def _images(session: "Session", parsed: "Parsed") -> int:
    everything = parsed.flag("all")
    what = "images without at least one container associated to them." if everything else "dangling images."
    confirm(parsed, f"This will remove all {what}")
    return _total(_prune_images(session.daemon, prune_filters(parsed, session.settings.prune_filters()), everything))


def _volumes(session: "Session", parsed: "Parsed") -> int:
    filters = prune_filters(parsed, session.settings.prune_filters())
    if parsed.flag("all"):
        if "all" in filters:
            raise InvalidArgument("conflicting options: cannot specify both --all and --filter all=1")
        filters["all"] = {"true": True}
    which = "all" if parsed.flag("all") else "anonymous"
    confirm(parsed, f"This will remove {which} local volumes not used by at least one container.")
    return _total(_prune_volumes(session.daemon, filters))


def _networks(session: "Session", parsed: "Parsed") -> int:
    confirm(parsed, "This will remove all custom networks not used by at least one container.")
    _prune_networks(session.daemon, prune_filters(parsed, session.settings.prune_filters()))
    return 0


def _system(session: "Session", parsed: "Parsed") -> int:
    filters, everything = prune_filters(parsed, session.settings.prune_filters()), parsed.flag("all")
    if parsed.flag("volumes") and "until" in filters:
        raise InvalidArgument('ERROR: The "until" filter is not supported with "--volumes"')
    doomed = ["all stopped containers", "all networks not used by at least one container"]
    doomed += ["all anonymous volumes not used by at least one container"] if parsed.flag("volumes") else []
    doomed.append(
        "all images without at least one container associated to them" if everything else "all dangling images"
    )
    doomed.append("all build cache" if everything else "unused build cache")
    confirm(parsed, "This will remove:\n  - " + "\n  - ".join(doomed) + "\n" + _filtered(filters))
    daemon = session.daemon
    total = _prune_containers(daemon, filters)
    _where_built(lambda: _prune_networks(daemon, filters))
    if parsed.flag("volumes"):
        total += _prune_volumes(daemon, filters)
    total += _prune_images(daemon, filters, everything)
    total += _where_built(lambda: _prune_build_cache(daemon, filters, everything))
    return _total(total)


def _filtered(filters: "Document") -> str:
    words = sorted(f"{key}={value}" for key, values in filters.items() for value in values)
    return "\n  Items to be pruned will be filtered with:\n  - " + "\n  - ".join(words) + "\n" if words else ""


def _prune_containers(daemon: "Daemon", filters: "Document") -> int:
    return _told(containers.prune(daemon, filters), "ContainersDeleted", "Deleted Containers:")


def _prune_volumes(daemon: "Daemon", filters: "Document") -> int:
    return _told(volumes.prune(daemon, filters), "VolumesDeleted", "Deleted Volumes:")


def _prune_networks(daemon: "Daemon", filters: "Document") -> int:
    return _told(networks.prune(daemon, filters), "NetworksDeleted", "Deleted Networks:")


def _prune_images(daemon: "Daemon", filters: "Document", everything: bool) -> int:
    answer = images.prune(daemon, {**filters, "dangling": {"false" if everything else "true": True}})
    gone = answer.get("ImagesDeleted") or []
    lines = [
        f"untagged: {item['Untagged']}" if item.get("Untagged") else f"deleted: {item['Deleted']}" for item in gone
    ]
    return _told({"Lines": lines, "SpaceReclaimed": answer.get("SpaceReclaimed", 0)}, "Lines", "Deleted Images:")


def _prune_build_cache(daemon: "Daemon", filters: "Document", everything: bool) -> int:
    answer = system.build_prune(daemon, {"all": everything, "filters": filters or None})
    return _told(answer, "CachesDeleted", "Deleted build cache objects:")


def _builds(session: "Session", parsed: "Parsed") -> int:
    filters, everything = prune_filters(parsed, session.settings.prune_filters()), parsed.flag("all")
    what = "all build cache" if everything else "all dangling build cache"
    confirm(parsed, f"This will remove {what}.")
    spaces = {name: parsed.value(name) for name, *_ in _SPACES}
    query = {"all": everything, "filters": filters or None, **spaces}
    answer = system.build_prune(session.daemon, query)
    return _total(_told(answer, "CachesDeleted", "Deleted build cache objects:"))


def _where_built(prune: "Callable[[], int]") -> int:
    """What the daemon has no such objects of has nothing to prune."""
    try:
        return prune()
    except Refused as error:
        if error.status not in (404, 501):
            raise
        return 0


def _told(answer: "Document", key: str, title: str) -> int:
    gone = answer.get(key) or []
    if gone:
        write("\n".join([title, *gone, ""]))
    space: int = answer.get("SpaceReclaimed") or 0
    return space


def _total(space: int) -> int:
    write(f"Total reclaimed space: {human_size(space)}")
    return 0


_SPACES = (
    ("keep-storage", "", "bytes", "Amount of disk space to keep for cache"),
    ("reserved-space", "", "bytes", "Amount of disk space that the cache has in any case"),
    ("max-used-space", "", "bytes", "Amount of disk space that the cache may take"),
    ("min-free-space", "", "bytes", "Amount of disk space that shall be free"),
)
CONTAINERS = Command(
    "[OPTIONS]",
    "Remove all stopped containers",
    _containers,
    (PRUNE_FILTER, _FORCE),
    example="carrack container prune -f",
)
IMAGES = Command(
    "[OPTIONS]",
    "Remove unused images",
    _images,
    (("all", "a", "bool", "Remove all unused images, not just dangling ones"), PRUNE_FILTER, _FORCE),
    example="carrack image prune -a --filter until=240h",
)
VOLUMES = Command(
    "[OPTIONS]",
    "Remove unused local volumes",
    _volumes,
    (("all", "a", "bool", "Remove all unused volumes, not just anonymous ones"), PRUNE_FILTER, _FORCE),
    example="carrack volume prune --filter label!=keep",
)
NETWORKS = Command(
    "[OPTIONS]", "Remove all unused networks", _networks, (PRUNE_FILTER, _FORCE), example="carrack network prune -f"
)
SYSTEM = Command(
    "[OPTIONS]",
    "Remove unused data",
    _system,
    (
        ("all", "a", "bool", "Remove all unused images not just dangling ones"),
        PRUNE_FILTER,
        _FORCE,
        ("volumes", "", "bool", "Prune anonymous volumes"),
    ),
    example="carrack system prune --volumes",
)
BUILDS = Command(
    "[OPTIONS]",
    "Remove build cache",
    _builds,
    (
        ("all", "a", "bool", "Remove all unused build cache, not just dangling ones"),
        PRUNE_FILTER,
        _FORCE,
        *_SPACES,
    ),
    example="carrack builder prune -f --filter until=24h",
)
