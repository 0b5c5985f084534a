"""Constants of openat2(2) and renameat2(2)."""

from __future__ import annotations

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20

#: how every path that a container or an image can influence is resolved: its symbolic links stay inside the
#: root, and no /proc/PID/fd link leads out
IN_ROOT = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS

#: how a path is looked up that must be what it says: no link is followed, and nothing leads above the root
BENEATH_NO_SYMLINKS = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4
