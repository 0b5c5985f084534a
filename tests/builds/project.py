"""Small projects to build, each a text file of its own that holds all files of its context.

``== path [mode] [-> target] [xattr=HEX] ==`` begins a file (0644, or as said, with an extended attribute), a folder
(its name ends with a slash) or a link; ``== path.tar of folder/ ==`` is an archive of what is below that folder of the
project, which does not go into the context by itself. Lines before the first of them say what the project is and,
after ``$``, how it is built.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import tarfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "projects"
_HEAD = re.compile(
    r"== (?P<path>\S+)(?: (?P<mode>[0-7]{3,4}))?(?: (?P<how>->|of|is) (?P<what>\S+))?"
    r"(?: (?P<xattr>[a-z]+\.[a-z.]+)=(?P<value>[0-9a-f]+))? =="
)
_WHEN = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """``how``: "" for a file or folder; "->" a symbolic link, "is" a hard link, "of" an archive, of ``what``."""

    path: str
    mode: int
    how: str
    what: str
    content: bytes
    xattrs: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """``options`` are words for the build command."""

    name: str
    options: tuple[str, ...]
    entries: tuple[Entry, ...]

    def write(self, folder: Path) -> None:
        """Make the context below an empty folder."""
        archived = tuple(entry.what for entry in self.entries if entry.how == "of")
        shown = [entry for entry in self.entries if not entry.path.startswith(archived)]
        for entry in shown:
            place = folder / entry.path
            place.parent.mkdir(parents=True, exist_ok=True)
            if entry.how == "->":
                place.symlink_to(entry.what)
            elif entry.how == "is":
                place.hardlink_to(folder / entry.what)
            elif entry.how == "of":
                place.write_bytes(self._archive(entry.what))
            elif entry.path.endswith("/"):
                place.mkdir(exist_ok=True)
            else:
                place.write_bytes(entry.content)
        for entry in reversed(shown):
            place = folder / entry.path
            if entry.how in ("", "of"):
                place.chmod(entry.mode)
                os.utime(place, (_WHEN, _WHEN))
            for name, value in entry.xattrs:
                os.setxattr(place, name, value)
        said = {entry.path.rstrip("/") for entry in shown}
        for place in folder.rglob("*"):
            if place.is_dir() and not place.is_symlink() and str(place.relative_to(folder)) not in said:
                place.chmod(0o755)

    def _archive(self, below: str) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for entry in self.entries:
                if not entry.path.startswith(below) or entry.path == below:
                    continue
                info = tarfile.TarInfo(entry.path[len(below) :].rstrip("/"))
                info.mode, info.mtime, info.uid, info.gid = entry.mode, _WHEN, 12, 34
                if entry.how == "->":
                    info.type, info.linkname = tarfile.SYMTYPE, entry.what
                elif entry.how == "is":
                    info.type, info.linkname = tarfile.LNKTYPE, entry.what.removeprefix(below)
                elif entry.path.endswith("/"):
                    info.type = tarfile.DIRTYPE
                info.pax_headers = {f"SCHILY.xattr.{name}": value.decode() for name, value in entry.xattrs}
                info.size = len(entry.content) if info.isreg() else 0
                tar.addfile(info, io.BytesIO(entry.content) if info.isreg() else None)
        return buffer.getvalue()


def read(name: str) -> Project:
    """The project of that name."""
    return parse(name, (FOLDER / f"{name}.txt").read_text())


def names() -> list[str]:
    """All projects."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def parse(name: str, text: str) -> Project:
    """Raises ValueError for a head that is none."""
    options: list[str] = []
    entries: list[Entry] = []
    lines: list[str] = []
    head: re.Match[str] | None = None
    for line in [*text.splitlines(keepends=True), "== end ==\n"]:
        if not line.startswith("== "):
            if head is not None:
                lines.append(line)
            elif line.startswith("$"):
                options += shlex.split(line[1:])
            continue
        if head is not None:
            folder = head["path"].endswith("/")
            mode = int(head["mode"], 8) if head["mode"] else 0o755 if folder else 0o644
            content = "".join(lines).encode()
            xattrs = ((head["xattr"], bytes.fromhex(head["value"])),) if head["xattr"] else ()
            entries.append(Entry(head["path"], mode, head["how"] or "", head["what"] or "", content, xattrs))
        head = _HEAD.fullmatch(line.strip())
        if head is None:
            raise ValueError(f"{name}: {line!r}")
        lines = []
    return Project(name, tuple(options), tuple(entries))
