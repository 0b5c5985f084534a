"""state, list, features, spec: what is only said."""

from __future__ import annotations

import json
import os

from carrack.errors import Conflict, InvalidArgument
from carrack.linux import caps
from carrack.linux.namespaces import FLAGS
from carrack.runtime import hooks
from carrack.runtime.commands.context import Context, Verb
from carrack.runtime.flags import SWITCH, VALUE, exactly
from carrack.runtime.lifecycle import cgroup_of
from carrack.runtime.state import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.runtime.flags import Flags

_DEFAULT_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_MASKED = (
    "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi "
    "/proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware"
).split()
MOUNT_OPTIONS = (
    "async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime nodev nodiratime "
    "noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev "
    "rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid "
    "rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared "
    "silent slave strictatime suid symfollow sync tmpcopyup unbindable"
).split()
_READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()


def _state(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, STATE.usage)
    state = context.root.open(container)
    print(json.dumps(state.document(cgroup_of(context.kernel, state)), indent=2))
    return 0


def _list(context: Context, flags: Flags) -> int:
    states = context.root.all()
    if flags.has("quiet"):
        for state in states:
            print(state.id)
        return 0
    documents = [state.document(cgroup_of(context.kernel, state)) for state in states]
    kind = flags.value("format", "table")
    if kind == "json":
        print(json.dumps(documents))
    elif kind == "table":
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")]
        rows += [(d["id"], str(d["pid"]), d["status"], d["bundle"], d["created"], "root") for d in documents]
        widths = [max(len(row[column]) for row in rows) + 3 for column in range(6)]
        for row in rows:
            print("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    else:
        raise InvalidArgument(f"invalid format option {kind!r}: use table or json")
    return 0


def _features(context: Context, flags: Flags) -> int:
    exactly(flags, 0, FEATURES.usage)
    print(json.dumps(features(), indent=2))
    return 0


def features() -> dict[str, Any]:
    """The document of features.md: what this runtime obeys, whatever the machine."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(hooks.POINTS),
        "mountOptions": list(MOUNT_OPTIONS),
        "linux": {
            "namespaces": sorted(FLAGS),
            "capabilities": list(caps.CAPABILITIES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": {"enabled": True},
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
    }


def _spec(context: Context, flags: Flags) -> int:
    exactly(flags, 0, SPEC.usage)
    path = os.path.join(flags.value("bundle", "."), "config.json")
    try:
        with open(path, "x") as file:
            json.dump(template(), file, indent="\t")
            file.write("\n")
    except FileExistsError:
        raise Conflict(f"File {path} exists. Remove it first") from None
    return 0


def template() -> dict[str, Any]:
    """A spec to begin with: a shell in ./rootfs, read-only, with few capabilities."""
    sets = ("bounding", "effective", "permitted")
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {kind: list(_DEFAULT_CAPABILITIES) for kind in sets},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "carrack",
        "mounts": _template_mounts(),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
        },
    }


def _template_mounts() -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    rows: list[tuple[str, str, str, list[str]]] = [
        ("/proc", "proc", "proc", []),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        ("/dev/shm", "tmpfs", "shm", [*quiet, "mode=1777", "size=65536k"]),
        ("/dev/mqueue", "mqueue", "mqueue", quiet),
        ("/sys", "sysfs", "sysfs", [*quiet, "ro"]),
        ("/sys/fs/cgroup", "cgroup", "cgroup", [*quiet, "relatime", "ro"]),
    ]
    return [{"destination": d, "type": t, "source": s, **({"options": o} if o else {})} for d, t, s, o in rows]


STATE = Verb(_state, "state ID")
LIST = Verb(_list, "list [--format table|json] [-q]", {"format": VALUE, "quiet": SWITCH}, {"f": "format", "q": "quiet"})
FEATURES = Verb(_features, "features")
SPEC = Verb(_spec, "spec [-b DIR]", {"bundle": VALUE, "rootless": SWITCH}, {"b": "bundle"})
