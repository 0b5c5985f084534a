"""Processes by descriptor (pidfd_open(2)): a number can be given to another process, a descriptor cannot."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import ProcessKernel


def wait(pidfd: int) -> int:
    """Wait for a child to end, reap it, and return its exit code as shells give it: 128 + n for signal n.

    ChildProcessError if it is not our child or somebody else reaped it.
    """
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    if result is None:
        raise ChildProcessError(f"pidfd {pidfd}: nothing to wait for")
    return exit_code(result.si_code, result.si_status)


def exit_code(si_code: int, si_status: int) -> int:
    """waitid(2)'s two fields as a shell's exit code."""
    return si_status if si_code == os.CLD_EXITED else 128 + si_status


def ended(pidfd: int) -> bool:
    """Whether the process has ended; it need not be our child, nor be reaped."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def signal(kernel: ProcessKernel, pidfd: int, number: int) -> bool:
    """Send a signal; False if the process has ended."""
    try:
        kernel.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def pid(pidfd: int, proc: str = "/proc") -> int:
    """The process id in our pid namespace; ProcessLookupError once it is reaped or if it has none there."""
    with open(f"{proc}/self/fdinfo/{pidfd}", "rb") as file:
        for line in file:
            if line.startswith(b"Pid:"):
                number = int(line[4:])
                if number > 0:
                    return number
                raise ProcessLookupError(f"pidfd {pidfd}: the process is gone")
    raise ValueError(f"fd {pidfd} is not a pidfd")
