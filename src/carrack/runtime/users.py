"""Who a process runs as, by the image's own /etc/passwd and /etc/group.

Those files are hostile: they may be a FIFO, a device, endless, or full of broken lines. They are read by descriptor
below the root, only when they are regular files of a bounded size, and parsed here; the C library's lookup is never
asked, since it would load plugins from the container. Numbers are taken as numbers only in 0 … 2^31-1, and what
merely looks like a number is refused rather than looked up as a name (CVE-2024-40635, CVE-2026-46680).
"""

from __future__ import annotations

import os
import stat

from carrack.errors import InvalidArgument, NotFound
from carrack.linux.resolve import IN_ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carrack.linux.kernel import FileKernel
    from carrack.runtime.inroot import Procfs

FILE_LIMIT = 4 * 1024 * 1024
#: read at a time: so little that malloc(3) maps no fresh pages for it
_PIECE = 64 * 1024
ID_LIMIT = 2**31 - 1
_OUT_OF_RANGE = f"uids and gids must be in range 0-{ID_LIMIT}"
_LINE_LIMIT = 64 * 1024
_GROUPS_LIMIT = 65536  # NGROUPS_MAX


class Identity:
    """The outcome: numbers for the kernel, and the home directory for the environment."""

    __slots__ = ("gid", "groups", "home", "uid")

    def __init__(self, uid: int, gid: int, groups: Sequence[int], home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = list(groups)
        self.home = home

    def __repr__(self) -> str:
        return f"Identity(uid={self.uid}, gid={self.gid}, groups={self.groups}, home={self.home!r})"


class Accounts:
    """The two files' text; a missing file is empty."""

    __slots__ = ("group", "passwd")

    def __init__(self, passwd: str, group: str) -> None:
        self.passwd = passwd
        self.group = group


def read_accounts(kernel: FileKernel, procfs: Procfs, root_fd: int) -> Accounts:
    """Read both files below the root; InvalidArgument when one is not an ordinary file of sensible size."""
    return Accounts(*(_read(kernel, procfs, root_fd, path) for path in ("/etc/passwd", "/etc/group")))


def identify(user: str, extra_groups: Sequence[str], accounts: Accounts) -> Identity:
    """Resolve ``name|uid[:group|gid]`` as a user types it; "" is root.

    Supplementary groups are those that list the user in the group file, unless a group was given, and then the
    extra ones. Raises NotFound in runc's words, InvalidArgument for what is no name and no valid number.
    """
    name, colon, group = user.partition(":")
    if colon and not group:
        group = ""
    entry = _find_user(name or "0", accounts.passwd)
    uid, gid, home, matched = entry
    supplementary: list[int] = []
    if group:
        gid = _find_group(group, accounts.group)
    elif matched:
        supplementary = [number for _, number, members in _groups(accounts.group) if matched in members]
    for extra in extra_groups:
        supplementary.append(_find_group(extra, accounts.group))
    return Identity(uid, gid, _unique([gid, *supplementary]), home)


def home_of(uid: int, accounts: Accounts) -> str:
    """The home directory of a uid: that of its first entry, else /."""
    for _, number, _, home in _users(accounts.passwd):
        if number == uid:
            return home or "/"
    return "/"


def _find_user(name: str, passwd: str) -> tuple[int, int, str, str]:
    """(uid, gid, home, name of the matching entry or "")."""
    number = _number(name)
    for entry_name, uid, gid, home in _users(passwd):
        if (number is None and entry_name == name) or (number is not None and uid == number):
            return uid, gid, home or "/", entry_name
    if number is None:
        raise NotFound(f"unable to find user {name}: no matching entries in passwd file")
    return number, 0, "/", ""


def _find_group(name: str, group: str) -> int:
    number = _number(name)
    if number is not None:
        return number
    for entry_name, gid, _ in _groups(group):
        if entry_name == name:
            return gid
    raise NotFound(f"unable to find group {name}: no matching entries in group file")


def _number(text: str) -> int | None:
    """The number that text is, None when it is a name."""
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) <= 20 else ID_LIMIT + 1
        if number > ID_LIMIT:
            raise InvalidArgument(_OUT_OF_RANGE)
        return number
    if text[:1] == "-" and text[1:].isascii() and text[1:].isdigit():
        raise InvalidArgument(_OUT_OF_RANGE)
    if text[:1] in "+-" or _looks_numeric(text):
        raise InvalidArgument(f"invalid user or group {text!r}: not a name, and a number is written with digits only")
    return None


def _looks_numeric(text: str) -> bool:
    try:
        int(text, 0)
    except ValueError:
        return False
    return True


def _users(passwd: str) -> Iterator[tuple[str, int, int, str]]:
    """(name, uid, gid, home) of each sound line of passwd(5)."""
    for fields in _lines(passwd, 6):
        uid, gid = _entry_number(fields[2]), _entry_number(fields[3])
        if uid is not None and gid is not None:
            yield fields[0], uid, gid, fields[5]


def _groups(group: str) -> Iterator[tuple[str, int, list[str]]]:
    """(name, gid, members) of each sound line of group(5)."""
    for fields in _lines(group, 3):
        gid = _entry_number(fields[2])
        if gid is not None:
            members = fields[3].split(",") if len(fields) > 3 else []
            yield fields[0], gid, members


def _entry_number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= ID_LIMIT else None


def _lines(text: str, at_least: int) -> Iterator[list[str]]:
    for line in text.split("\n"):
        if not line or line.startswith("#") or len(line) > _LINE_LIMIT:
            continue
        fields = line.strip().split(":")
        if len(fields) >= at_least and fields[0]:
            yield fields


def _unique(numbers: list[int]) -> list[int]:
    result = list(dict.fromkeys(numbers))
    if len(result) > _GROUPS_LIMIT:
        raise InvalidArgument(f"{len(result)} supplementary groups: the kernel takes {_GROUPS_LIMIT} at most")
    return result


def _read(kernel: FileKernel, procfs: Procfs, root_fd: int, path: str) -> str:
    try:
        found = kernel.openat2(root_fd, path, os.O_PATH, resolve=IN_ROOT)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from None
    try:
        info = os.fstat(found)
        if not stat.S_ISREG(info.st_mode):  # opening a FIFO could wait for ever, a device could do anything
            raise InvalidArgument(f"{path} of the container is not a regular file")
        if info.st_size > FILE_LIMIT:
            raise InvalidArgument(f"{path} of the container is too large: {info.st_size} bytes, limit {FILE_LIMIT}")
        fd = procfs.reopen(found, os.O_RDONLY)
        try:
            return _read_all(fd, path)
        finally:
            os.close(fd)
    finally:
        os.close(found)


def _read_all(fd: int, path: str) -> str:
    chunks, total = [], 0
    while chunk := os.read(fd, _PIECE):
        chunks.append(chunk)
        total += len(chunk)
        if total > FILE_LIMIT:
            raise InvalidArgument(f"{path} of the container is too large: limit {FILE_LIMIT} bytes")
    return b"".join(chunks).decode("utf-8", "surrogateescape")
