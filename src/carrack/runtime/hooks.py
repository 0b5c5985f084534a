"""The spec's hooks: programs run at fixed points of a container's life, with its state on their standard input.

OCI runtime spec config.md "POSIX-platform Hooks". prestart, createRuntime, poststart and poststop run in the
runtime's namespaces; createContainer and startContainer in the container's. A hook that fails, or does not end in
time, fails the operation, but poststart and poststop failures are only reported (lifecycle, steps 9 and 13).
"""

from __future__ import annotations

import json
import os
import select
import signal
import time

from carrack.errors import CarrackError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from carrack.linux.kernel import ProcessKernel
    from carrack.oci.runtime_spec import Hook, Hooks

POINTS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_ERROR_LIMIT = 4096


class HookFailed(CarrackError):
    """A hook ended with an error or not in time."""


def run(kernel: ProcessKernel, hooks: Hooks, point: str, state: Mapping[str, object]) -> None:
    """Run the hooks of one point in their order; the first failure raises HookFailed."""
    listed: Sequence[Hook] = hooks.get(point, ())  # type: ignore[assignment]
    for index, hook in enumerate(listed):
        _run_one(kernel, hook, state, f"{point} hook #{index}")


def check(hooks: Hooks) -> None:
    """InvalidArgument on a hook whose path is not absolute."""
    for point in POINTS:
        listed: Sequence[Hook] = hooks.get(point, ())  # type: ignore[assignment]
        for index, hook in enumerate(listed):
            if not hook.get("path", "").startswith("/"):
                raise InvalidArgument(f"hooks.{point}[{index}].path: must be an absolute path")


def _run_one(kernel: ProcessKernel, hook: Hook, state: Mapping[str, object], name: str) -> None:
    input_read, input_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(kernel, hook, input_read, error_write)
    os.close(input_read)
    os.close(error_write)
    pidfd = kernel.pidfd_open(pid)
    try:
        _feed(input_write, json.dumps(state).encode())
        text, in_time = _collect(error_read, pidfd, hook.get("timeout"))
        if not in_time:
            kernel.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(error_read)
        os.close(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not in_time:
        raise HookFailed(f"error running {name}: {hook['path']} was killed after {hook.get('timeout')} s")
    if code:
        tail = f", stderr: {text.strip()}" if text.strip() else ""
        raise HookFailed(f"error running {name}: {hook['path']}: exit status {code}{tail}")


def _become(kernel: ProcessKernel, hook: Hook, stdin: int, stderr: int) -> NoReturn:
    try:
        os.dup2(stdin, 0)
        os.dup2(stderr, 1)
        os.dup2(stderr, 2)
        kernel.close_range(3, 0x7FFFFFFF, 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        arguments = hook.get("args") or [hook["path"]]
        environment = dict(item.partition("=")[::2] for item in hook.get("env", ()))
        os.execve(hook["path"], arguments, environment)
    except OSError as error:
        os.write(2, f"{os.strerror(error.errno or 0)}\n".encode())
    finally:
        os._exit(127)


def _feed(fd: int, body: bytes) -> None:
    """A state fits a pipe; a hook that does not read it is no failure."""
    try:
        os.set_blocking(fd, False)
        os.write(fd, body)
    except (BrokenPipeError, BlockingIOError):
        pass
    finally:
        os.close(fd)


def _collect(error_read: int, pidfd: int, timeout: int | None) -> tuple[str, bool]:
    """What it says until it ends; False when it does not end in time. A grandchild may keep the pipe open."""
    deadline = None if timeout is None else time.monotonic() + timeout
    poll = select.poll()
    poll.register(error_read, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    said = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = dict(poll.poll(None if left is None else int(left * 1000)))
        if error_read in ready:
            chunk = os.read(error_read, _ERROR_LIMIT)
            said = (said + chunk)[:_ERROR_LIMIT]
            if not chunk:
                poll.unregister(error_read)
            continue
        if pidfd in ready:
            return said.decode(errors="replace"), True
        if deadline is not None and time.monotonic() >= deadline:
            return said.decode(errors="replace"), False
