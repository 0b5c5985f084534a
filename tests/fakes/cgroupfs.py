"""A directory that looks like /sys/fs/cgroup: the recorded files of a new cgroup, of either version.

Plain files do not answer as the kernel does (a new directory has no files, removing one needs it empty), so
cgroups are made ready with ``seed`` and emptied with ``clear``. What was written is read back from the files.
"""

from __future__ import annotations

import json
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden/cgroup"


class RecordedTree:
    """One machine's cgroup mounts below root; version 1 or 2."""

    def __init__(self, root: Path, version: int) -> None:
        self.root = root
        self.version = version
        self._files = json.loads((GOLDEN / f"v{version}" / "files.json").read_text())
        self._places: dict[str, dict[str, str]] = self._files if version == 1 else {"": self._files}
        root.mkdir()
        self.seed("")

    @property
    def mountinfo(self) -> str:
        """The lines of /proc/self/mountinfo for it."""
        if self.version == 2:
            return f"30 20 0:26 / {self.root} rw - cgroup2 cgroup2 rw\n"
        lines = [f"30 20 0:26 / {self.root} rw - tmpfs tmpfs rw\n"]
        for number, name in enumerate(self._places):
            lines.append(f"{31 + number} 30 0:{40 + number} / {self.root}/{name} rw - cgroup cgroup rw,{name}\n")
        return "".join(lines)

    def seed(self, path: str) -> None:
        """Put the files of a cgroup there."""
        for place, files in self._places.items():
            directory = self.root / place / path.lstrip("/")
            directory.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (directory / name).write_text(content)

    def clear(self, path: str) -> None:
        """Take the files away, so that the directory can be removed."""
        for place in self._places:
            for file in (self.root / place / path.lstrip("/")).iterdir():
                file.unlink()

    def read(self, path: str, name: str) -> str:
        """The content of a file, wherever it is, without the end of line."""
        controller = name.partition(".")[0]
        place = controller if self.version == 1 else ""
        return (self.root / place / path.lstrip("/") / name).read_text().strip()

    def exists(self, path: str) -> bool:
        """Whether the cgroup is there, in all trees or in none."""
        found = {(self.root / place / path.lstrip("/")).is_dir() for place in self._places}
        assert len(found) == 1
        return found.pop()
