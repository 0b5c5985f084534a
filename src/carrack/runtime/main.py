"""The command carrack-runtime: an OCI runtime for engines that start one per operation (Docker, Podman, containerd).

Global flags and error reports are runc's, since its callers read both: an error goes to standard error, and to the
``--log`` file as text or as one JSON object per line with ``level``, ``msg`` and ``time``.
"""

from __future__ import annotations

import os
import sys

from carrack import __version__
from carrack.errors import CarrackError, InvalidArgument, NotSupported
from carrack.runtime.flags import SWITCH, VALUE, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.runtime.commands.context import Verb
    from carrack.runtime.flags import Flags

_ROOT = "/run/carrack-runtime"
_GLOBAL_FLAGS = {
    "root": VALUE,
    "log": VALUE,
    "log-format": VALUE,
    "debug": SWITCH,
    "systemd-cgroup": SWITCH,
    "rootless": VALUE,
    "version": SWITCH,
    "help": SWITCH,
}
#: verb → (module of commands, name there); a module is loaded only for its verb
_VERBS = {
    "create": ("lifecycle", "CREATE"),
    "start": ("lifecycle", "START"),
    "run": ("lifecycle", "RUN"),
    "kill": ("lifecycle", "KILL"),
    "delete": ("lifecycle", "DELETE"),
    "exec": ("processes", "EXEC"),
    "ps": ("processes", "PS"),
    "pause": ("control", "PAUSE"),
    "resume": ("control", "RESUME"),
    "update": ("control", "UPDATE"),
    "state": ("documents", "STATE"),
    "list": ("documents", "LIST"),
    "features": ("documents", "FEATURES"),
    "spec": ("documents", "SPEC"),
}

#: verbs whose process goes into a container
_ENTERING = ("create", "run", "exec")


class _Log:
    """Where failures and warnings go."""

    def __init__(self, path: str = "", kind: str = "text") -> None:
        self.path = path
        self.kind = kind

    def write(self, level: str, message: str) -> None:
        """One line to the log file (if any) and, always, to standard error."""
        print(message if level == "error" else f"{level}: {message}", file=sys.stderr)
        if not self.path:
            return
        import json  # a command that goes well, and one that only starts itself again sealed, needs neither
        import time

        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = f"time={json.dumps(now)} level={level} msg={json.dumps(message)}\n"
        if self.kind == "json":
            line = json.dumps({"level": level, "msg": message, "time": now}) + "\n"
        try:
            with open(self.path, "a") as file:
                file.write(line)
        except OSError as error:
            print(f"cannot write to the log {self.path}: {error.strerror}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is 0, that of a process in the foreground, or 1 (126, 127) after an error."""
    log = _Log()
    try:
        flags = parse(sys.argv[1:] if arguments is None else arguments, _GLOBAL_FLAGS, {"v": "version", "h": "help"})
        log = _log(flags)
        return _dispatch(flags, log)
    except CarrackError as error:
        log.write("error", str(error))
        return int(getattr(error, "exit_code", 1))
    except OSError as error:
        text = (error.strerror or str(error)) if error.filename is None else f"{error.strerror}: {error.filename}"
        log.write("error", text)
        return 1


def _log(flags: Flags) -> _Log:
    kind = flags.value("log-format", "text")
    if kind not in ("text", "json"):
        raise InvalidArgument(f"invalid log-format: {kind}")
    return _Log(flags.value("log"), kind)


def _dispatch(flags: Flags, log: _Log) -> int:
    if flags.has("version"):
        print(f"carrack-runtime version {__version__}\nspec: 1.2.0")
        return 0
    if flags.has("help") or not flags.positional or flags.positional[0] == "help":
        print("\n".join(_help()))
        return 0
    if flags.has("systemd-cgroup"):
        raise NotSupported("--systemd-cgroup is not supported: give cgroupsPath as a path, not as slice:prefix:name")
    if flags.value("rootless", "auto") == "true":
        raise NotSupported("--rootless is not supported: this runtime needs root")
    name, *rest = flags.positional
    if name not in _VERBS:
        raise InvalidArgument(f"no command {name!r}. Commands: {', '.join(_VERBS)}")
    from carrack.linux.syscalls import LINUX
    from carrack.runtime import seal
    from carrack.runtime.commands.context import Context
    from carrack.runtime.state import StateRoot

    if name in _ENTERING:
        seal.ensure_sealed(LINUX, os.environ)
    context = Context(LINUX, StateRoot(flags.value("root", _ROOT)), lambda text: log.write("warning", text))
    verb = _verb(name)
    return verb.run(context, parse(rest, verb.flags, verb.aliases))


def _verb(name: str) -> Verb:
    import importlib

    module, attribute = _VERBS[name]
    verb: Verb = getattr(importlib.import_module(f"carrack.runtime.commands.{module}"), attribute)
    return verb


def _help() -> list[str]:
    usages = [f"  {_verb(name).usage}" for name in _VERBS]
    flags = "[--root DIR] [--log FILE] [--log-format text|json] [--debug] [--version]"
    return [f"carrack-runtime {flags} COMMAND ...", "", "Commands:", *usages]


if __name__ == "__main__":
    raise SystemExit(main())
