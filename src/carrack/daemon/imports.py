"""Importing of aiohttp what serves, and not its client: a fifth of the daemon's start would go into that.

The package's ``__init__`` imports the client, which makes TLS contexts with all the certificate authorities of the
system. So a package stands in its place whose submodules are aiohttp's own and whose ``__init__`` is run when somebody
asks for a name that only it has: nothing is missing, it only comes later.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from typing import Any


class _Package(types.ModuleType):
    """A package that has not run its ``__init__`` yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._has(name):
            raise AttributeError(name)  # the import system looks for the submodule then
        self.__class__ = types.ModuleType  # type: ignore[assignment]
        assert self.__spec__ is not None
        assert self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)

    def _has(self, name: str) -> bool:
        return any(os.path.exists(os.path.join(folder, f"{name}.py")) for folder in self.__path__)


def without_client(name: str = "aiohttp") -> None:
    """Have the package's submodules imported alone from now on; nothing when it is imported already."""
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        return  # the import proper will tell
    package = _Package(name)
    package.__spec__, package.__loader__, package.__file__ = spec, spec.loader, spec.origin
    package.__package__, package.__path__ = name, spec.submodule_search_locations
    package.__dict__["__version__"] = _version(spec.origin or "")
    sys.modules[name] = package


def _version(path: str) -> str:
    """The line ``__version__ = "…"``, which submodules ask for."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("__version__"):
                return line.partition("=")[2].strip().strip("\"'")
    return ""
