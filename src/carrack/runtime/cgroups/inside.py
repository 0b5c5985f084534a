"""What a container sees at /sys/fs/cgroup: its own cgroups and no other.

Worked out inside the container's mount namespace before the root changes, from the same two files that the kernel
shows every process: where hierarchies are mounted (mountinfo) and which cgroup of each we are in (/proc/self/cgroup).
With a cgroup namespace a fresh mount already begins at our own cgroup; without one our directory is bound.
"""

from __future__ import annotations

from carrack.linux.mount import read_mountinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Part:
    """One mount: name of its directory, other names (links), and either fresh (fstype, options) or a bind source."""

    __slots__ = ("aliases", "bind_source", "fstype", "name", "options")

    def __init__(
        self,
        name: str,
        fstype: str,
        *,
        aliases: Sequence[str] = (),
        options: Sequence[tuple[str, str | None]] = (),
        bind_source: str | None = None,
    ) -> None:
        self.name = name
        self.fstype = fstype
        self.aliases = tuple(aliases)
        self.options = tuple(options)
        self.bind_source = bind_source


class Plan:
    """Either ``unified`` (v2) or ``hierarchies`` (v1)."""

    __slots__ = ("hierarchies", "unified")

    def __init__(self, unified: Part | None, hierarchies: list[Part]) -> None:
        self.unified = unified
        self.hierarchies = hierarchies


def plan(*, cgroup_namespace: bool, proc: str = "/proc") -> Plan:
    """The mounts for the calling process; OSError when no cgroup hierarchy is mounted."""
    with open(f"{proc}/self/mountinfo") as file:
        # a table may be long and parsing it costs: only lines whose type can be meant (a space in a path is escaped)
        likely = [line for line in file if " - cgroup" in line]
    mounts = [m for m in read_mountinfo("".join(likely)) if m.fstype in ("cgroup", "cgroup2")]
    with open(f"{proc}/self/cgroup") as file:
        paths = _own_cgroups(file.read())
    if not mounts:
        raise OSError(2, "no cgroup hierarchy is mounted", f"{proc}/self/mountinfo")
    first = [m for m in mounts if m.fstype == "cgroup"]
    if not first:
        return Plan(_unified(mounts[0].mount_point, mounts[0].root, paths.get("", "/"), cgroup_namespace), [])
    parts: list[Part] = []
    seen: set[str] = set()
    for mount in first:
        controllers = [word for word in mount.super_options if word in paths or word.startswith("name=")]
        key = ",".join(controllers)
        if not controllers or key in seen:
            continue
        seen.add(key)
        parts.append(_first(mount.mount_point, mount.root, controllers, paths, cgroup_namespace))
    return Plan(None, parts)


def _own_cgroups(text: str) -> dict[str, str]:
    """Controller (or ``name=x``; "" for v2) → path, from /proc/self/cgroup (cgroups(7))."""
    result: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            result[controller] = path
    return result


def _unified(mount_point: str, root: str, path: str, cgroup_namespace: bool) -> Part:
    if cgroup_namespace:
        return Part("", "cgroup2")
    return Part("", "cgroup2", bind_source=_below(mount_point, root, path))


def _first(mount_point: str, root: str, controllers: list[str], paths: dict[str, str], cgroup_namespace: bool) -> Part:
    name = ",".join(word.removeprefix("name=") for word in controllers)
    aliases = [word for word in controllers if word != name] if len(controllers) > 1 else []
    if cgroup_namespace:
        options: list[tuple[str, str | None]] = []
        for word in controllers:
            key, equals, value = word.partition("=")
            options.append((key, value if equals else None))
        if any(word.startswith("name=") for word in controllers):
            options.insert(0, ("none", None))
        return Part(name, "cgroup", aliases=aliases, options=options)
    return Part(name, "cgroup", aliases=aliases, bind_source=_below(mount_point, root, paths.get(controllers[0], "/")))


def _below(mount_point: str, root: str, path: str) -> str:
    """The directory of our cgroup below a mount that may itself begin deeper than the hierarchy's top."""
    if root not in ("/", "") and not root.startswith("/.."):
        path = path[len(root) :] if path == root or path.startswith(root + "/") else path
    return (mount_point + "/" + path.lstrip("/")).rstrip("/")
