"""Capability names and bit masks (capabilities(7)), without libcap."""

from __future__ import annotations

_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)

#: "CAP_CHOWN" → 0 …, in the kernel's numbering
CAPABILITIES: dict[str, int] = {f"CAP_{name}": number for number, name in enumerate(_NAMES.split())}


def mask(names: list[str] | tuple[str, ...] | frozenset[str] | set[str]) -> int:
    """The bit mask of full names like CAP_CHOWN; ValueError names the first unknown one."""
    result = 0
    for name in names:
        if name not in CAPABILITIES:
            raise ValueError(f"unknown capability {name!r}")
        result |= 1 << CAPABILITIES[name]
    return result


def names(mask: int) -> list[str]:
    """The names in a mask, lowest number first; bits that have no name here are left out."""
    return [name for name, number in CAPABILITIES.items() if mask >> number & 1]


def last_cap(proc: str = "/proc") -> int:
    """The highest capability number of the running kernel (older kernels know fewer, newer ones may know more)."""
    with open(f"{proc}/sys/kernel/cap_last_cap", "rb") as file:
        return int(file.read())
