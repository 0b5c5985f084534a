"""Words of the mount table: flags, OCI mount options, and /proc/PID/mountinfo.

Pure: nothing here mounts. Numbers are those of <linux/mount.h>; the option words are the ones of the OCI runtime
specification, config-linux "mounts", which takes them from mount(8).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_DIRSYNC = 128
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_SILENT = 32768
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_I_VERSION = 1 << 23
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25

MNT_FORCE = 1
MNT_DETACH = 2
MNT_EXPIRE = 4
UMOUNT_NOFOLLOW = 8

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
#: the mask of the three access-time modes; set it in clear_flags when one of them is set
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_RELATIME = 0x0
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

OPEN_TREE_CLONE = 1
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572
TMPFS_MAGIC = 0x01021994
DEVPTS_SUPER_MAGIC = 0x1CD1
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270
OVERLAYFS_SUPER_MAGIC = 0x794C7630
EROFS_SUPER_MAGIC = 0xE0F5E1E2
EXT4_SUPER_MAGIC = 0xEF53
XFS_SUPER_MAGIC = 0x58465342
BTRFS_SUPER_MAGIC = 0x9123683E
NSFS_MAGIC = 0x6E736673
SELINUX_MAGIC = 0xF97CFF8C
SECURITYFS_MAGIC = 0x73636673

#: the three ways of keeping access times, of which a mount has one
_ACCESS_TIMES = MS_NOATIME | MS_RELATIME | MS_STRICTATIME

#: option word → (MS_* flag, whether the word clears it)
_FLAGS: dict[str, tuple[int, bool]] = {
    "async": (MS_SYNCHRONOUS, True),
    "atime": (MS_NOATIME, True),
    "defaults": (0, False),
    "dev": (MS_NODEV, True),
    "diratime": (MS_NODIRATIME, True),
    "dirsync": (MS_DIRSYNC, False),
    "exec": (MS_NOEXEC, True),
    "iversion": (MS_I_VERSION, False),
    "lazytime": (MS_LAZYTIME, False),
    "loud": (MS_SILENT, True),
    "mand": (MS_MANDLOCK, False),
    "noatime": (MS_NOATIME, False),
    "nodev": (MS_NODEV, False),
    "nodiratime": (MS_NODIRATIME, False),
    "noexec": (MS_NOEXEC, False),
    "noiversion": (MS_I_VERSION, True),
    "nolazytime": (MS_LAZYTIME, True),
    "nomand": (MS_MANDLOCK, True),
    "norelatime": (MS_RELATIME, True),
    "nostrictatime": (MS_STRICTATIME, True),
    "nosuid": (MS_NOSUID, False),
    "nosymfollow": (MS_NOSYMFOLLOW, False),
    "relatime": (MS_RELATIME, False),
    "remount": (MS_REMOUNT, False),
    "ro": (MS_RDONLY, False),
    "rw": (MS_RDONLY, True),
    "silent": (MS_SILENT, False),
    "strictatime": (MS_STRICTATIME, False),
    "suid": (MS_NOSUID, True),
    "symfollow": (MS_NOSYMFOLLOW, True),
    "sync": (MS_SYNCHRONOUS, False),
    "bind": (MS_BIND, False),
    "rbind": (MS_BIND | MS_REC, False),
}

_PROPAGATION: dict[str, int] = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}

#: recursive attribute word → (MOUNT_ATTR_* to set, MOUNT_ATTR_* to clear first), for mount_setattr(AT_RECURSIVE)
_RECURSIVE: dict[str, tuple[int, int]] = {
    "rro": (MOUNT_ATTR_RDONLY, 0),
    "rrw": (0, MOUNT_ATTR_RDONLY),
    "rnosuid": (MOUNT_ATTR_NOSUID, 0),
    "rsuid": (0, MOUNT_ATTR_NOSUID),
    "rnodev": (MOUNT_ATTR_NODEV, 0),
    "rdev": (0, MOUNT_ATTR_NODEV),
    "rnoexec": (MOUNT_ATTR_NOEXEC, 0),
    "rexec": (0, MOUNT_ATTR_NOEXEC),
    "rnodiratime": (MOUNT_ATTR_NODIRATIME, 0),
    "rdiratime": (0, MOUNT_ATTR_NODIRATIME),
    "rrelatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "rnorelatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "rnoatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    "ratime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "rstrictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "rnostrictatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "rnosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, 0),
    "rsymfollow": (0, MOUNT_ATTR_NOSYMFOLLOW),
}

#: MS_* flags that belong to one mount and not to its file system → the same as MOUNT_ATTR_*
_ATTRIBUTES: dict[int, int] = {
    MS_RDONLY: MOUNT_ATTR_RDONLY,
    MS_NOSUID: MOUNT_ATTR_NOSUID,
    MS_NODEV: MOUNT_ATTR_NODEV,
    MS_NOEXEC: MOUNT_ATTR_NOEXEC,
    MS_NOSYMFOLLOW: MOUNT_ATTR_NOSYMFOLLOW,
    MS_NOATIME: MOUNT_ATTR_NOATIME,
    MS_STRICTATIME: MOUNT_ATTR_STRICTATIME,
    MS_NODIRATIME: MOUNT_ATTR_NODIRATIME,
}

#: the options of a whole file system (superblock) that fsconfig takes as flags by name
_SUPERBLOCK_FLAGS: dict[int, str] = {
    MS_RDONLY: "ro",
    MS_SYNCHRONOUS: "sync",
    MS_DIRSYNC: "dirsync",
    MS_LAZYTIME: "lazytime",
    MS_MANDLOCK: "mand",
}


class MountOptions:
    """What a list of option words means.

    ``flags``: MS_* to set; ``clear``: MS_* the words took away (the last word wins, so the two are disjoint);
    ``propagation``: one MS_* type per word, in order, each with MS_REC if recursive; ``recursive_set`` and
    ``recursive_clear``: MOUNT_ATTR_* for mount_setattr(AT_RECURSIVE); ``data``: the words that the file system
    itself is to judge; ``idmap``, ``recursive_idmap`` and ``copy_up``: the words idmap, ridmap and tmpcopyup.
    """

    __slots__ = (
        "clear",
        "copy_up",
        "data",
        "flags",
        "idmap",
        "propagation",
        "recursive_clear",
        "recursive_idmap",
        "recursive_set",
    )

    def __init__(self) -> None:
        self.flags = 0
        self.clear = 0
        self.propagation: list[int] = []
        self.recursive_set = 0
        self.recursive_clear = 0
        self.data: list[str] = []
        self.idmap = False
        self.recursive_idmap = False
        self.copy_up = False

    @property
    def attributes(self) -> int:
        """The flags of the mount itself as MOUNT_ATTR_*, for fsmount(2) and mount_setattr(2)."""
        return attributes(self.flags)

    @property
    def context_options(self) -> list[tuple[str, str | None]]:
        """Options of the file system as fsconfig(2) takes them: key and string, or a flag (None).

        ``ro`` is left to the mount's attributes: a superblock may be shared with others.
        """
        options: list[tuple[str, str | None]] = [
            (name, None) for flag, name in _SUPERBLOCK_FLAGS.items() if self.flags & flag and flag != MS_RDONLY
        ]
        for word in self.data:
            key, equals, value = word.partition("=")
            options.append((key, value if equals else None))
        return options


def attributes(flags: int) -> int:
    """MS_* of one mount as MOUNT_ATTR_*."""
    result = 0
    for flag, attribute in _ATTRIBUTES.items():
        if flags & flag:
            result |= attribute
    return result


def parse_options(words: Iterable[str]) -> MountOptions:
    """OCI mount options; words that are not of mount(8) are the file system's own and end up in ``data``."""
    result = MountOptions()
    for word in words:
        if word in _FLAGS:
            flag, clears = _FLAGS[word]
            if clears:
                result.flags, result.clear = result.flags & ~flag, result.clear | flag
            else:
                rivals = _ACCESS_TIMES & ~flag if flag & _ACCESS_TIMES else 0
                result.flags, result.clear = result.flags & ~rivals | flag, result.clear & ~flag
        elif word in _PROPAGATION:
            result.propagation.append(_PROPAGATION[word])
        elif word in _RECURSIVE:
            given, cleared = _RECURSIVE[word]
            result.recursive_set = result.recursive_set & ~cleared | given
            result.recursive_clear = result.recursive_clear & ~given | cleared
        elif word == "idmap":
            result.idmap = True
        elif word == "ridmap":
            result.idmap = result.recursive_idmap = True
        elif word == "tmpcopyup":
            result.copy_up = True
        elif word:
            result.data.append(word)
    return result


class MountInfo:
    """One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)); paths are unescaped."""

    __slots__ = (
        "device",
        "fstype",
        "mount_id",
        "mount_point",
        "optional",
        "options",
        "parent_id",
        "root",
        "source",
        "super_options",
    )

    def __init__(self, line: str) -> None:
        fields = line.split(" ")
        try:
            separator = fields.index("-", 6)
            self.mount_id = int(fields[0])
            self.parent_id = int(fields[1])
            major, minor = fields[2].split(":")
            self.device = (int(major), int(minor))
            self.root = _unescape(fields[3])
            self.mount_point = _unescape(fields[4])
            self.options = tuple(fields[5].split(","))
            self.optional = tuple(fields[6:separator])
            self.fstype = _unescape(fields[separator + 1])
            self.source = _unescape(fields[separator + 2])
            self.super_options = tuple(fields[separator + 3].split(","))
        except (ValueError, IndexError):
            raise ValueError(f"not a line of mountinfo: {line!r}") from None

    @property
    def propagation(self) -> str:
        """``shared``, ``slave``, ``private`` or ``unbindable``, in the words of findmnt(8)."""
        kinds = [word.partition(":")[0] for word in self.optional]
        named = [name for tag, name in (("shared", "shared"), ("master", "slave")) if tag in kinds]
        if "unbindable" in kinds:
            named.append("unbindable")
        return ",".join(named) or "private"


def read_mountinfo(text: str) -> list[MountInfo]:
    """All lines of /proc/PID/mountinfo, in the kernel's order; ValueError names a line that is not one."""
    return [MountInfo(line) for line in text.split("\n") if line]


def _unescape(field: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline, backslash and number sign."""
    if "\\" not in field:
        return field
    head, *rest = field.split("\\")
    pieces = [head]
    for part in rest:
        octal = part[:3]
        known = len(octal) == 3 and octal.isdigit() and "8" not in octal and "9" not in octal
        pieces.append(chr(int(octal, 8)) + part[3:] if known else "\\" + part)
    return "".join(pieces)
