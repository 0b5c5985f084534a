"""How a failed start reads: the exit code users expect and the sentence clients look for words in. Pure."""

from carrack.errors import CarrackError, Internal, InvalidArgument
from carrack.shim.client import StartFailed

_MEANT_FOR_THE_CLIENT = (126, 127)


def start_error(failure: StartFailed) -> CarrackError:
    """The API's error of a container that could not start.

    The docker command line takes its own exit code, 126 or 127, from words of the message: they stay as they are.
    """
    text = (
        f"failed to create task for container: OCI runtime create failed: unable to start container process: {failure}"
    )
    kind = InvalidArgument if failure.exit_code in _MEANT_FOR_THE_CLIENT else Internal
    return kind(text)


def exec_error(failure: StartFailed) -> CarrackError:
    """The API's error of an exec that could not start."""
    text = f"OCI runtime exec failed: exec failed: unable to start container process: {failure}"
    kind = InvalidArgument if failure.exit_code in _MEANT_FOR_THE_CLIENT else Internal
    return kind(text)
