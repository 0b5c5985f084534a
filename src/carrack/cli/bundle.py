"""The modules of a start in few files: read, judged and executed without the import system's search of paths.

A bundle lies among the bytecode files (``__pycache__``), is trusted and replaced as those are, and is never more than
they: where it is missing, of another interpreter, damaged, or older than a source that it was made of, the modules are
imported as ever, and the run leaves a new one behind when it has succeeded (:mod:`carrack.cli.bundle_writer`). Bundles
are for the installed program alone, and of that where its launcher runs without ``site`` (bin/carrack)::

    site-packages/__pycache__/carrack.TAG.bundle       what the launcher hands over to
    carrack/cli/__pycache__/command.TAG.bundle         what every verb needs
    carrack/cli/commands/__pycache__/MODULE.TAG.bundle what the verbs of a module need besides

    seal      8 bytes: a hash of the rest, keyed by the interpreter's version
    marshal   code of this module or None, folder of the package, marks, [(name, path in the folder, code), ...]

A mark is what ``.pyc`` files go by, (path, mtime in ns, size), of each source; the launcher's bundle has others, for
what says where the package is. The modules are in the order in which their bodies ended, so that none is asked for
before it is there. The code at the head is what the launcher begins with, since to import it would cost too much.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import CodeType

    Mark = tuple[str, int, int]
    Part = tuple[str, str, CodeType]
    Bundle = tuple[str, list[Mark], list[Part]]

_PACKAGE = "/__init__.py"


def run(place: str, started: "Collection[str]" = ()) -> None:
    """The program. ``place`` is the launcher's site-packages, empty where bundles are not to be used; ``started`` are
    the modules that it has by its bundle."""
    from carrack.cli.main import main

    sys.exit(main(bundles=Bundles(place, started) if place else None))


def begin(folder: str, marks: "Sequence[Mark]", parts: "Sequence[Part]") -> "list[str]":
    """What the launcher does with its bundle; gives the names of the modules that are there now."""
    if not _hold(marks):
        return []
    sys.path.insert(0, folder.rpartition("/")[0])
    return _execute(folder, parts)


class Bundles:
    """The bundles of one run of the program: what it read, and what it will leave behind."""

    def __init__(self, place: str, started: "Collection[str]" = ()) -> None:
        self._place = place
        self._started = started
        self._folder: str = sys.modules["carrack"].__path__[0]
        self._wanted: dict[str, list[str]] = {}
        self._looked = False

    def bring(self, name: str, *others: str) -> None:
        """Import modules by the bundle that has the first one's name, as far as there is one."""
        self._look()
        before = set(_ours())
        path = where(self._folder, name)
        bundle = read(path)
        found: list[str] = []
        if bundle is not None and bundle[0] == self._folder and _hold(bundle[1]):
            found = _execute(self._folder, bundle[2])
        for module in (name, *others):
            __import__(module)
        added = [module for module in _ours() if module not in before]
        if not set(found).issuperset(added):
            self._wanted[path] = added

    def keep(self) -> None:
        """Write what was missing, if it may be written; whatever is in the way of it is no failure of the run."""
        self._look()
        if self._wanted and not sys.dont_write_bytecode and sys.pycache_prefix is None:
            from carrack.cli.bundle_writer import write

            for path, modules in self._wanted.items():
                write(path, self._folder, modules, self._place if path == self._first else "")

    @property
    def _first(self) -> str:
        return f"{self._place}/__pycache__/carrack.{sys.implementation.cache_tag}.bundle"

    def _look(self) -> None:
        """Before anything is brought: what is there is for the launcher's bundle."""
        if not self._looked:
            self._looked, ours = True, _ours()
            if not set(self._started).issuperset(ours):
                self._wanted[self._first] = ours


def where(folder: str, name: str) -> str:
    """The file of the bundle that has a module's name."""
    parent, _, last = name.partition(".")[2].replace(".", "/").rpartition("/")
    return f"{folder}/{parent}/__pycache__/{last}.{sys.implementation.cache_tag}.bundle"


def seal(body: "bytes | memoryview") -> bytes:
    """What stands before a body that this interpreter made and nothing has damaged."""
    from _imp import source_hash

    return source_hash(sys.hexversion + sys.flags.optimize, body)


def read(path: str) -> "Bundle | None":
    """A bundle's folder, marks and parts; None where it is missing or no good."""
    from marshal import loads

    try:
        with open(path, "rb", 0) as file:
            data = memoryview(file.read())
        if data[:8] != seal(data[8:]):
            return None
        _, folder, marks, parts = loads(data[8:])
    except (OSError, ValueError, TypeError, EOFError):
        return None
    return folder, marks, parts


def _hold(marks: "Sequence[Mark]") -> bool:
    try:
        for path, changed, size in marks:
            status = posix.stat(path)
            if status.st_mtime_ns != changed or status.st_size != size:
                return False
    except OSError:
        return False
    return True


def _execute(folder: str, parts: "Sequence[Part]") -> "list[str]":
    """Make modules of the parts; one that fails is left, with those behind it, to be imported and to fail as usual."""
    done: list[str] = []
    for name, path, code in parts:
        if name not in sys.modules:
            try:
                _module(name, folder + path, code)
            except Exception:
                sys.modules.pop(name, None)
                break
        done.append(name)
    return done


def _module(name: str, file: str, code: "CodeType") -> None:
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import SourceFileLoader

    parent, _, last = name.rpartition(".")
    package = file.endswith(_PACKAGE)
    loader = SourceFileLoader(name, file)
    spec = ModuleSpec(name, loader, origin=file, is_package=package)
    spec.has_location = True
    module = type(sys)(name)
    own = module.__dict__
    own |= {"__file__": file, "__loader__": loader, "__spec__": spec, "__package__": name if package else parent}
    if package:
        own["__path__"] = spec.submodule_search_locations = [file[: -len(_PACKAGE)]]
    sys.modules[name] = module
    exec(code, own)
    if parent:
        setattr(sys.modules[parent], last, module)


def _ours() -> list[str]:
    """Our modules in the order in which their bodies ended: the import system moves each to the end then."""
    return [name for name in sys.modules if name == "carrack" or name.startswith("carrack.")]
