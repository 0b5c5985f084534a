"""Times as the Docker API writes them: nanoseconds since 1970 (UTC) inside, RFC 3339 with nanoseconds outside.

Source: RFC 3339; Go's time.RFC3339Nano, which drops trailing zeros of the fraction.
"""

import time

ZERO = "0001-01-01T00:00:00Z"


def now() -> int:
    """The wall clock in nanoseconds; for display and records only, never for measuring."""
    return time.time_ns()


def rfc3339(ns: int) -> str:
    """RFC 3339 text of a time in nanoseconds; 0 is Go's zero time."""
    if not ns:
        return ZERO
    seconds, fraction = divmod(ns, 1_000_000_000)
    t = time.gmtime(seconds)
    text = f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    if fraction:
        text += "." + f"{fraction:09d}".rstrip("0")
    return text + "Z"


def parse(text: str) -> int:
    """Nanoseconds of a time typed by a client: RFC 3339, or Unix seconds with an optional fraction.

    Raises ValueError on anything else.
    """
    number, dot, fraction = text.partition(".")
    if number.lstrip("-").isdecimal() and (not dot or fraction.isdecimal()):
        return int(number) * 1_000_000_000 + int((fraction + "000000000")[:9])
    from datetime import UTC, datetime

    when = text.upper().replace(" ", "T")
    whole, dot, rest = when.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    moment = datetime.fromisoformat(whole + rest[digits:])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + (int((rest[:digits] + "000000000")[:9]) if dot else 0)


def age(seconds: float) -> str:
    """A duration in words, as docker prints it: ``5 minutes``, ``About an hour``, ``3 days``."""
    s = int(seconds)
    if s < 1:
        return "Less than a second"
    if s == 1:
        return "1 second"
    if s < 60:
        return f"{s} seconds"
    minutes = s // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    return _long(hours)


def _long(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"
