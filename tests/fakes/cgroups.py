"""Control groups that only write down what is asked of them."""

from __future__ import annotations

import os
from typing import Any


class FakeCgroup:
    """One path."""

    def __init__(self, path: str, log: list[Any]) -> None:
        self.path = path
        self.log = log

    def rename(self, path: str) -> FakeCgroup:
        self.log.append(("rename", self.path, path))
        return FakeCgroup(path, self.log)

    def add(self, pid: int, beside: int = 0) -> None:
        self.log.append(("add", self.path, pid))

    def clone_fd(self, beside: int = 0) -> int:
        return os.open("/dev/null", os.O_RDONLY)

    def apply(self, resources: Any) -> None:
        self.log.append(("apply", self.path, resources))
        if "wrong" in resources:
            raise OSError(22, "Invalid argument", "wrong")

    def kill(self) -> None:
        self.log.append(("kill", self.path))

    def remove(self) -> None:
        self.log.append(("remove", self.path))


class FakeHierarchy:
    """Of either version."""

    def __init__(self, version: int, log: list[Any]) -> None:
        self.version = version
        self.log = log

    def create(self, path: str) -> Any:
        self.log.append(("create", path))
        return FakeCgroup(path, self.log)

    def open(self, path: str) -> Any:
        return FakeCgroup(path, self.log)
