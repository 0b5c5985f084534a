"""How a failed start reads: the exit code users expect and the sentence clients look for words in. Pure."""

import contextlib
from collections.abc import Iterator

from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument
from carrack.shim.client import StartFailed
from carrack.shim.protocol import STOPPED

_MEANT_FOR_THE_CLIENT = (126, 127)
# what Docker's daemon looks up itself, so that no word of a runtime stands before it
_OF_ACCOUNTS = ("unable to find user ", "unable to find group ", "uids and gids must be in range ")
_OTHER = 128
#: the shim's step that opens the log
_OF_LOG = "log"


def start_error(failure: StartFailed) -> CarrackError:
    """The API's error of a container that could not start.

    The docker command line takes its own exit code, 126 or 127, from words of the message: they stay as they are.
    """
    if of_accounts(failure):
        return InvalidArgument(str(failure))
    if failure.stage == "runtime":  # another one's own words
        told = "failed to create task for container: failed to create shim task: OCI runtime create failed"
        return _kind(failure)(f"{told}: {failure}")
    if failure.stage == _OF_LOG:
        return Internal(f"failed to create task for container: {failure}")
    text = (
        f"failed to create task for container: OCI runtime create failed: unable to start container process: {failure}"
    )
    return _kind(failure)(text)


def exec_error(failure: StartFailed, container: str) -> CarrackError:
    """The API's error of an exec that could not start in the container of that id."""
    if failure.stage == STOPPED:
        return Conflict(f"container {container} is not running")
    if of_accounts(failure):
        return InvalidArgument(str(failure))
    if failure.stage == "runtime":
        return _kind(failure)(f"OCI runtime exec failed: {failure}")
    text = f"OCI runtime exec failed: exec failed: unable to start container process: {failure}"
    return _kind(failure)(text)


def of_accounts(failure: object) -> bool:
    """Whether the user or group is what could not be found."""
    return str(failure).startswith(_OF_ACCOUNTS)


def exit_code(failure: BaseException) -> int:
    """What is recorded as the exit code of a program that never ran: 127 not found, 126 not executable, else 128."""
    text = str(failure).lower()
    if "executable file not found" in text or "no such file or directory" in text or "system cannot find" in text:
        return 127
    if "permission denied" in text or "not a directory" in text or "is a directory" in text:
        return 126
    return _OTHER


def _kind(failure: StartFailed) -> type[CarrackError]:
    return InvalidArgument if failure.exit_code in _MEANT_FOR_THE_CLIENT else Internal


@contextlib.contextmanager
def worded(told: str) -> Iterator[None]:
    """What the kernel, or another runtime, refuses is told with what was tried."""
    try:
        yield
    except OSError as failure:
        raise Internal(f"{told}: {failure.strerror or failure}") from failure
