"""Find the program to execute, as a shell's PATH search does, with the words that runc's users know."""

from __future__ import annotations

import errno
import os
import stat

from carrack.errors import Forbidden, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def find_executable(name: str, environment: Mapping[str, str]) -> str:
    """The path to execute. Runs in the container's root, as its user.

    Raises NotFound (conventional exit code 127) or Forbidden (126).
    """
    if not name:
        raise NotFound('exec: "": executable file not found in $PATH')
    if "/" in name:
        problem = _problem(name)
        if problem in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise NotFound(f'exec: "{name}": stat {name}: {os.strerror(problem).lower()}')
        if problem == errno.EISDIR:
            raise Forbidden(f'exec: "{name}": is a directory: permission denied')
        if problem:
            raise Forbidden(f'exec: "{name}": {os.strerror(problem).lower()}')
        return name
    for directory in environment.get("PATH", "").split(":"):
        candidate = f"{directory or '.'}/{name}"
        if _problem(candidate):
            continue
        if not candidate.startswith("/"):
            raise Forbidden(f'exec: "{name}": cannot run executable found relative to current directory')
        return candidate
    raise NotFound(f'exec: "{name}": executable file not found in $PATH')


def _problem(path: str) -> int:
    """0 when path can be executed by us, else the errno that says why not."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return error.errno or errno.ENOENT
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    if not mode & 0o111 or not os.access(path, os.X_OK, effective_ids=True):
        return errno.EACCES
    return 0
