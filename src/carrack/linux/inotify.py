"""Words and bytes of inotify(7); the calls themselves are in the kernel's door."""

from __future__ import annotations

import os
import struct

IN_ACCESS = 0x1
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_CLOSE_NOWRITE = 0x10
IN_OPEN = 0x20
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_DONT_FOLLOW = 0x2000000
IN_EXCL_UNLINK = 0x4000000
IN_MASK_ADD = 0x20000000
IN_ISDIR = 0x40000000
IN_ONESHOT = 0x80000000

_HEADER = struct.Struct("=iIII")
_READ_BYTES = 64 * 1024


class Event:
    """One change: watch descriptor (-1 with IN_Q_OVERFLOW), IN_* mask, cookie pairing renames, name in a directory."""

    __slots__ = ("cookie", "mask", "name", "watch")

    def __init__(self, watch: int, mask: int, cookie: int, name: str) -> None:
        self.watch = watch
        self.mask = mask
        self.cookie = cookie
        self.name = name


def parse(data: bytes) -> list[Event]:
    """The events of one read; ValueError if it was cut (the kernel never cuts)."""
    events = []
    at = 0
    while at < len(data):
        if at + _HEADER.size > len(data):
            raise ValueError("inotify: half an event")
        watch, mask, cookie, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if at + length > len(data):
            raise ValueError("inotify: half a name")
        events.append(Event(watch, mask, cookie, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
        at += length
    return events


def read_events(fd: int) -> list[Event]:
    """What is there now; an empty list if there is nothing."""
    try:
        return parse(os.read(fd, _READ_BYTES))
    except BlockingIOError:
        return []
