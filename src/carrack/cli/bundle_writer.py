"""Leaves a bundle of a start's modules behind for the next run: see :mod:`carrack.cli.bundle`."""

import posix
import sys
import time
from marshal import dumps

from carrack.cli import bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from carrack.cli.bundle import Mark

_SETTLED = 2_000_000_000
"""How long (ns) a source must have been left alone: sooner, it might change once more without its time telling."""


class _Unfit(Exception):
    """There is to be no bundle of this."""


def write(path: str, folder: str, modules: "Iterable[str]", place: str = "") -> bool:
    """Write the bundle of these modules; whether it was done.

    ``folder`` is the package ``carrack``. Where it was found by way of ``place``, what led there is marked as well.
    """
    try:
        _make_room(path.rpartition("/")[0])
        sources = {name: _source(folder, name) for name in modules}
        marks = [mark for mark, _ in sources.values()]
        parts = [(name, mark[0][len(folder) :], code) for name, (mark, code) in sources.items()]
        if place:
            marks += _ways(place)
        loader = sources[bundle.__name__][1] if place else None
        body = dumps((loader, folder, marks, parts))
        _replace(path, bundle.seal(body) + body, posix.stat(marks[0][0]).st_mode & 0o666 | 0o200)
    except (_Unfit, OSError, ImportError, SyntaxError, LookupError, ValueError):
        return False
    return True


def _make_room(folder: str) -> None:
    try:
        posix.mkdir(folder, 0o777)
    except FileExistsError:
        if not posix.access(folder, posix.W_OK):
            raise _Unfit from None


def _ways(place: str) -> "list[Mark]":
    """What leads to the package: the folder, which changes when anything is installed, and the files of paths in it."""
    paths = [f"{place}/{name}" for name in posix.listdir(place) if name.startswith("__editable__.carrack-")]
    return [_mark(path) for path in (place, *paths)]


def _source(folder: str, name: str) -> "tuple[Mark, CodeType]":
    """A module as it lies on the disk: not one that is no source below the folder, or is just being edited."""
    spec = sys.modules[name].__spec__
    if spec is None or spec.loader is None or not spec.origin:
        raise _Unfit
    if not spec.origin.startswith(folder + "/") or not spec.origin.endswith(".py"):
        raise _Unfit
    mark = _mark(spec.origin)
    code = spec.loader.get_code(name)  # type: ignore[attr-defined]
    if code is None or mark != _mark(mark[0]) or time.time_ns() - mark[1] < _SETTLED:
        raise _Unfit
    return mark, code


def _mark(path: str) -> "Mark":
    status = posix.stat(path)
    return path, status.st_mtime_ns, status.st_size


def _replace(path: str, data: bytes, mode: int) -> None:
    """Put a file in its place at once, whoever else does so at the same time."""
    beside = f"{path}.{posix.getpid()}"
    file = posix.open(beside, posix.O_EXCL | posix.O_CREAT | posix.O_WRONLY | posix.O_CLOEXEC, mode)
    try:
        try:
            if posix.write(file, data) != len(data):
                raise OSError("no room")
        finally:
            posix.close(file)
        posix.replace(beside, path)
    except OSError:
        posix.unlink(beside)
        raise
