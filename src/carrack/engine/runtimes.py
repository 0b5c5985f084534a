"""The OCI runtimes that containers may be run by: our own, those that are configured, and those found on the PATH.

A name is judged when a container is made; its program is looked for when the container is started, as Docker does,
so that one that was removed meanwhile is told in a start's error and hinders nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from carrack.errors import InvalidArgument
from carrack.model.container import Document
from carrack.shim.connection import StartFailed

OWN = "carrack"
#: offered by themselves where they are installed: Docker's names for them, and the program
_FOUND = {"runc": "runc", "io.containerd.runc.v2": "runc", "crun": "crun"}


@dataclass(frozen=True, slots=True)
class Runtime:
    """One that is configured. ``path``: absolute, or a name to be looked up on the PATH; ``arguments`` come before the
    command."""

    path: str
    arguments: tuple[str, ...] = ()


class Runtimes:
    """All that this daemon knows; ``change`` when its configuration is read again."""

    def __init__(self, configured: Mapping[str, Runtime], default: str = OWN) -> None:
        self.change(configured, default)

    def change(self, configured: Mapping[str, Runtime], default: str = OWN) -> None:
        """Know these from now on. Raises InvalidArgument, and changes nothing, when there is no such default."""
        found = {name: Runtime(program) for name, program in _FOUND.items() if shutil.which(program)}
        known = {**found, **configured}
        if default != OWN and default not in known:
            raise InvalidArgument(f"specified default runtime '{default}' does not exist")
        self._known, self.default = known, default

    def check(self, name: str) -> str:
        """The name that is recorded of a container that asks for ``name``. Raises InvalidArgument."""
        if name and name != OWN and name not in self._known:
            raise InvalidArgument(f"unknown or invalid runtime name: {name}")
        return name or self.default

    def words(self, name: str) -> list[str]:
        """Program and arguments of one that is not our own. Raises StartFailed when it is not there (any more)."""
        runtime = self._known.get(name)
        if runtime is None:
            raise StartFailed("runtime", f"unknown or invalid runtime name: {name}", 125)
        program = shutil.which(runtime.path)
        if program is None:
            told = f"runtime {name!r}: {runtime.path}: executable file not found in $PATH"
            raise StartFailed("runtime", f"{told}: install it, or mend its path in the daemon's configuration", 127)
        return [program, *runtime.arguments]

    def document(self) -> Document:
        """What `info` shows."""
        shown: Document = {OWN: {"path": "carrack-runtime"}}
        for name, runtime in sorted(self._known.items()):
            shown[name] = {"path": runtime.path}
            if runtime.arguments:
                shown[name]["runtimeArgs"] = list(runtime.arguments)
        return shown
