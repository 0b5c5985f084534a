"""The one place that maps failures by meaning to HTTP statuses, in Docker's error document."""

from __future__ import annotations

import logging

from carrack import errors
from carrack.api.response import Response, json_response

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[errors.CarrackError], int], ...] = (
    (errors.NotFound, 404),
    (errors.InvalidArgument, 400),
    (errors.Conflict, 409),
    (errors.NotModified, 304),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.Unavailable, 503),
    (errors.NotSupported, 501),
    (errors.Internal, 500),
)


def status_of(error: BaseException) -> int:
    """The status that tells `error`'s meaning; 500 for what no service translated."""
    for kind, status in STATUS:
        if isinstance(error, kind):
            return status
    return 500


def message_of(error: BaseException) -> str:
    """The text for the user: the failure's own, or one that points to the log for a defect."""
    if isinstance(error, errors.CarrackError | OSError):
        return errors.words(error)
    return f"internal error ({type(error).__name__}); the daemon's log has the details"


def error_response(error: BaseException, what: str) -> Response:
    """Docker's error document for `error`; failures that nobody foresaw are logged with their trace.

    `what` names the request in the log, e.g. "GET /info".
    """
    status = status_of(error)
    if status == 304:
        return Response(304)
    if isinstance(error, OSError) and error.errno in errors.FULL:
        log.error("%s failed: %s", what, errors.words(error))
    elif not isinstance(error, errors.CarrackError):
        log.error("%s failed: %s", what, errors.words(error), exc_info=error)
    elif status >= 500:
        log.error("%s failed: %s", what, errors.words(error))
    else:
        log.debug("%s refused with %d: %s", what, status, error)
    return json_response({"message": message_of(error)}, status=status)
