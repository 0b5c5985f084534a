"""Times as the Docker API writes them: nanoseconds since 1970 (UTC) inside, RFC 3339 with nanoseconds outside.

Source: RFC 3339; Go's time.RFC3339Nano, which drops trailing zeros of the fraction.
"""

import time

from carrack.model.units import NANOSECONDS, parse_moment, timestamp

_MOST_DIGITS = 20
ZERO = "0001-01-01T00:00:00Z"


def now() -> int:
    """The wall clock in nanoseconds; for display and records only, never for measuring."""
    return time.time_ns()


def rfc3339(ns: int) -> str:
    """RFC 3339 text of a time in nanoseconds; 0 is Go's zero time."""
    if not ns:
        return ZERO
    seconds, fraction = divmod(ns, NANOSECONDS)
    t = time.gmtime(seconds)
    text = f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    if fraction:
        text += "." + f"{fraction:09d}".rstrip("0")
    return text + "Z"


def parse(text: str) -> int:
    """Nanoseconds of a time in a request: Unix seconds with an optional fraction, or RFC 3339.

    Raises InvalidArgument on anything else.
    """
    if text.startswith("-") and text[1:].isascii() and text[1:].isdecimal() and len(text) <= _MOST_DIGITS:
        return -int(text[1:]) * NANOSECONDS
    number, dot, fraction = text.partition(".")
    if text.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS and (not dot or fraction.isdecimal()):
        return int(number) * NANOSECONDS + int((fraction + "000000000")[:9])
    return parse_moment(text)


def before_now(text: str) -> int:
    """Nanoseconds of a time typed as a duration before now (``10m``), or as `parse` reads it."""
    return parse(timestamp(text, time.time()))
