"""What a container gets when nobody says otherwise: capabilities, mounts, devices, masked and read-only paths.

The values are Docker's own defaults, because programs and their users rely on them. Pure data.
"""

from carrack.oci.runtime_spec import DeviceRule, Mount

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT"
        " KILL AUDIT_WRITE"
    ).split()
)

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

SHM_SIZE = 64 << 20

PROC: Mount = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}
DEV: Mount = {
    "destination": "/dev",
    "type": "tmpfs",
    "source": "tmpfs",
    "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
}
PTS: Mount = {
    "destination": "/dev/pts",
    "type": "devpts",
    "source": "devpts",
    "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
}
SYS: Mount = {
    "destination": "/sys",
    "type": "sysfs",
    "source": "sysfs",
    "options": ["nosuid", "noexec", "nodev", "ro"],
}
CGROUP: Mount = {
    "destination": "/sys/fs/cgroup",
    "type": "cgroup",
    "source": "cgroup",
    "options": ["ro", "nosuid", "noexec", "nodev"],
}
MQUEUE: Mount = {
    "destination": "/dev/mqueue",
    "type": "mqueue",
    "source": "mqueue",
    "options": ["nosuid", "noexec", "nodev"],
}

HOST_MQUEUE: Mount = {
    "destination": "/dev/mqueue",
    "type": "bind",
    "source": "/dev/mqueue",
    "options": ["rbind", "rprivate", "nosuid", "noexec", "nodev"],
}

#: for containers that may label their own files (``label=nested``)
SELINUX: Mount = {
    "destination": "/sys/fs/selinux",
    "type": "bind",
    "source": "/sys/fs/selinux",
    "options": ["rbind", "rprivate", "nosuid", "noexec"],
}

HOST_SHM: Mount = {"destination": "/dev/shm", "type": "bind", "source": "/dev/shm", "options": ["rbind", "rprivate"]}


def shm(size: int) -> Mount:
    """The private /dev/shm of ``size`` bytes."""
    return {
        "destination": "/dev/shm",
        "type": "tmpfs",
        "source": "shm",
        "options": ["nosuid", "noexec", "nodev", "mode=1777", f"size={size}"],
    }


def _allow(kind: str, major: int | None, minor: int | None, access: str = "rwm") -> DeviceRule:
    rule: DeviceRule = {"allow": True, "type": kind, "access": access}
    if major is not None:
        rule["major"] = major
    if minor is not None:
        rule["minor"] = minor
    return rule


# Nothing but: making any node, the usual pseudo devices, terminals, and tun (which runc lets pass, too).
DEVICE_RULES: tuple[DeviceRule, ...] = (
    {"allow": False, "access": "rwm"},
    _allow("c", None, None, "m"),
    _allow("b", None, None, "m"),
    _allow("c", 1, 3),
    _allow("c", 1, 5),
    _allow("c", 1, 7),
    _allow("c", 1, 8),
    _allow("c", 1, 9),
    _allow("c", 5, 0),
    _allow("c", 5, 1),
    _allow("c", 5, 2),
    _allow("c", 136, None),
    _allow("c", 10, 200),
)

PING_GROUPS = "net.ipv4.ping_group_range"
SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", PING_GROUPS: "0 2147483647"}
