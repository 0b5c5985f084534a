"""create, start, run, kill, delete."""

from __future__ import annotations

import os

from carrack.errors import InvalidArgument, NotFound
from carrack.runtime import create, foreground, lifecycle
from carrack.runtime.commands.context import Context, Verb, send_console
from carrack.runtime.flags import NUMBER, SWITCH, VALUE, exactly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.runtime.flags import Flags

_CREATE_FLAGS = {
    "bundle": VALUE,
    "console-socket": VALUE,
    "pid-file": VALUE,
    "no-pivot": SWITCH,
    "no-new-keyring": SWITCH,
    "no-subreaper": SWITCH,
    "preserve-fds": NUMBER,
    "detach": SWITCH,
    "keep": SWITCH,
}
_CREATE_ALIASES = {"b": "bundle", "d": "detach"}


def _options(flags: Flags) -> create.Options:
    if flags.has("no-pivot"):
        raise InvalidArgument("--no-pivot is not supported: it would leave the host's root within reach")
    if flags.has("no-new-keyring"):
        raise InvalidArgument("--no-new-keyring is not supported: a container would share its caller's keys")
    path = flags.value("console-socket")
    return create.Options(
        pid_file=flags.value("pid-file"),
        preserve_fds=flags.number("preserve-fds"),
        take_console=send_console(path) if path else None,
    )


def _create(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, CREATE.usage)
    create.create(context.kernel, context.root, container, flags.value("bundle", "."), _options(flags))
    return 0


def _start(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, START.usage)
    lifecycle.start(context.kernel, context.root.open(container), context.warn)
    return 0


def _run(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, RUN.usage)
    options = _options(flags)
    masters: list[int] = []
    if options.take_console is None and not flags.has("detach"):
        options.take_console = masters.append
    state = create.create(context.kernel, context.root, container, flags.value("bundle", "."), options)
    if not flags.has("detach"):
        foreground.hold_signals()
    try:
        lifecycle.start(context.kernel, state, context.warn)
    except BaseException:
        lifecycle.delete(context.kernel, state, force=True, warn=context.warn)
        raise
    if flags.has("detach"):
        return 0
    try:
        return foreground.wait(state.pid, masters[0] if masters else -1)
    finally:
        if not flags.has("keep"):
            lifecycle.delete(context.kernel, state, force=True, warn=context.warn)


def _kill(context: Context, flags: Flags) -> int:
    if len(flags.positional) not in (1, 2):
        raise InvalidArgument(f"1 or 2 arguments needed. Usage: {KILL.usage}")
    number = lifecycle.parse_signal(flags.positional[1] if len(flags.positional) == 2 else "SIGTERM")
    state = context.root.open(flags.positional[0])
    lifecycle.send_signal(context.kernel, state, number, everyone=flags.has("all"))
    return 0


def _delete(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, DELETE.usage)
    try:
        state = context.root.open(container)
    except NotFound:
        if flags.has("force"):
            return 0
        raise
    lifecycle.delete(context.kernel, state, force=flags.has("force"), warn=context.warn)
    _reap_ours(state.pid)
    return 0


def _reap_ours(pid: int) -> None:
    """A container that this very process created leaves a child to collect; mostly it is somebody else's."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except (ChildProcessError, OSError):
        pass


_CREATE_USAGE = "[-b DIR] [--console-socket PATH] [--pid-file PATH] [--preserve-fds N] ID"
CREATE = Verb(_create, f"create {_CREATE_USAGE}", _CREATE_FLAGS, _CREATE_ALIASES)
START = Verb(_start, "start ID")
RUN = Verb(_run, f"run [-d] [--keep] {_CREATE_USAGE}", _CREATE_FLAGS, _CREATE_ALIASES)
KILL = Verb(_kill, "kill [--all] ID [SIGNAL]", {"all": SWITCH}, {"a": "all"})
DELETE = Verb(_delete, "delete [--force] ID", {"force": SWITCH}, {"f": "force"})
