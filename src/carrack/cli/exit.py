"""The one place where failures become exit codes and words on standard error.

Codes are the docker command's: 125 when the daemon refuses to create or start what ``run`` asked for, 126 and 127 when
the program in the container cannot be executed or found, 1 for other failures, else the container's own code.
"""

import sys

SIGPIPE_CODE = 141


class Exit(Exception):
    """Leave with ``code``; a message, if any, goes to standard error as it is."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


def failure_code(error: Exception, debug: bool = False) -> int:
    """Tell a failure and return the exit code for it."""
    from carrack.cli.command import describe, write_error
    from carrack.client.transport import Unreachable
    from carrack.errors import CarrackError

    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, Exit):
        if str(error):
            write_error(str(error))
        return error.code
    if isinstance(error, Unreachable):
        write_error(unreachable(error.url, error.error))
        return 1
    if isinstance(error, (CarrackError, OSError)):
        write_error(describe(error))
        return 1
    raise error


def unreachable(url: str, error: OSError) -> str:
    """Why no daemon answers, and what to do about it."""
    if isinstance(error, PermissionError):
        return (
            f"permission denied while trying to connect to the Carrack daemon socket at {url}\n"
            "Run this as root, or join the group that owns the socket (usually: carrack)."
        )
    told = f"Cannot connect to the Carrack daemon at {url}. Is the carrack daemon running?"
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return f"{told}\nStart it with: carrack system start   (or, under systemd: systemctl start carrack)"
    return f"{told}\n({error.strerror or error})"


def start_failure_code(message: str) -> int:
    """The exit code of ``run`` and ``start`` for a daemon's refusal to start a container, by its words."""
    if "executable file not found" in message or "no such file or directory" in message:
        return 127
    if "permission denied" in message or "is a directory" in message:
        return 126
    return 125


def flush(code: int) -> int:
    """Write out what is buffered; a reader that has gone away is met quietly, as other commands do."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        import posix

        posix.dup2(posix.open("/dev/null", posix.O_WRONLY), 1)
        return SIGPIPE_CODE
    return code
