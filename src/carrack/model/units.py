"""Sizes, durations and moments as people type them, and back: pure, and light enough for the command line.

The rules are those of Docker's own tools: sizes with binary multiples (``64m`` is 64 MiB), durations in Go's notation
(``1h30m``), moments as RFC 3339, as a date, as seconds since 1970 or as a duration before now.
"""

import time

from carrack.errors import InvalidArgument

NANOSECONDS = 1_000_000_000

_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_DURATION = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
}
_MOST_INT64 = (1 << 63) - 1
_MOST_DIGITS = 1000


def parse_bytes(text: str, multiple: int = 1024) -> int:
    """The bytes meant by ``512``, ``64m``, ``1.5GiB`` (multiples of 1024); :class:`InvalidArgument` otherwise.

    A few of Docker's options count in multiples of 1000 instead, whatever the unit is written like.
    """
    number = text.rstrip("kKmMgGtTpPiIbB")
    suffix = text[len(number) :].lower()
    number = number[:-1] if number.endswith(" ") else number
    whole, dot, fraction = number.partition(".")
    if not (_digits(whole) and (_digits(fraction) or not dot)):
        raise InvalidArgument(f"invalid size: '{text}'")
    unit = suffix[:1] if suffix in ("b", suffix[:1], suffix[:1] + "b", suffix[:1] + "ib") else "?"
    if unit not in _POWERS or suffix == "bb":
        raise InvalidArgument(f"invalid suffix: '{suffix}'")
    scale: int = multiple ** _POWERS[unit]
    value = int(whole) * scale
    if dot:
        value += int(fraction) * scale // 10 ** len(fraction)
    if value > _MOST_INT64:
        raise InvalidArgument(f"invalid size: '{text}'")
    return value


def parse_cpus(text: str) -> int:
    """Processors as a decimal (``1.5``) in billionths; :class:`InvalidArgument` for what is finer than that."""
    whole, dot, fraction = text.partition(".")
    if not (_digits(whole or "0") and (_digits(fraction or "0")) and (whole or fraction)):
        raise InvalidArgument(f"failed to parse {text} as a rational number")
    if len(fraction.rstrip("0")) > 9:
        raise InvalidArgument("value is too precise")
    return int(whole or "0") * NANOSECONDS + int(fraction[:9].ljust(9, "0") if dot else 0)


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as ``1h15m``, ``250ms`` or ``-1.5s`` (Go package time, ParseDuration)."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        number = _leading(rest, "0123456789.")
        whole, dot, fraction = number.partition(".")
        if "." in fraction or not (whole or fraction) or len(number) > _MOST_DIGITS:
            raise InvalidArgument(f'time: invalid duration "{text}"')
        unit = _leading_unit(rest[len(number) :])
        if not unit:
            raise InvalidArgument(f'time: missing unit in duration "{text}"')
        if unit not in _DURATION:
            raise InvalidArgument(f'time: unknown unit "{unit}" in duration "{text}"')
        scale = _DURATION[unit]
        total += int(whole or "0") * scale + (int(fraction or "0") * scale // 10 ** len(fraction) if dot else 0)
        rest = rest[len(number) + len(unit) :]
    if total > _MOST_INT64:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    return -total if text[0] == "-" else total


def parse_moment(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 date, with or without time, fraction and zone.

    Without a zone the local one is meant, as ``docker logs --since`` reads it.
    """
    date, _, clock = text.replace(" ", "T", 1).partition("T")
    clock, offset = _split_zone(clock)
    try:
        year, month, day = (int(part) for part in _fields(date, "-", (4, 2, 2)))
        hour, minute, second, nanos = _clock(clock)
    except ValueError:
        raise InvalidArgument(f"failed to parse value as time or duration: {text!r}") from None
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise InvalidArgument(f"failed to parse value as time or duration: {text!r}")
    if offset is None:
        local = time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
        return int(local) * NANOSECONDS + nanos
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    return seconds * NANOSECONDS + nanos


def timestamp(text: str, now: float) -> str:
    """What ``--since`` and ``--until`` send: ``seconds.nanoseconds`` since 1970.

    Takes a duration before ``now`` (seconds since 1970), a moment, or seconds since 1970, possibly with a fraction.
    """
    whole, dot, fraction = text.partition(".")
    if _digits(whole) and (_digits(fraction) or not dot):
        return f"{whole}.{fraction[:9].ljust(9, '0')}" if dot else whole
    try:
        moment = parse_moment(text) if "-" in text[1:] else int(now * NANOSECONDS) - parse_duration(text)
    except InvalidArgument as error:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"') from error
    return f"{moment // NANOSECONDS}.{moment % NANOSECONDS:09d}"


def human_size(size: float, digits: int = 4) -> str:
    """A size in decimal multiples with at most ``digits`` significant digits: ``2.07MB``."""
    return _scaled(size, 1000.0, _DECIMAL, digits)


def binary_size(size: float) -> str:
    """A size in binary multiples: ``1.944GiB``."""
    return _scaled(size, 1024.0, _BINARY, 4)


def human_duration(seconds: float) -> str:
    """A rough age as Docker words it: ``About a minute``, ``3 days``."""
    whole = int(seconds)
    minutes, hours = whole // 60, int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for most, hours_each, word in (
        (24 * 14, 24, "days"),
        (24 * 60, 24 * 7, "weeks"),
        (24 * 365 * 2, 24 * 30, "months"),
    ):
        if hours < most:
            return f"{hours // hours_each} {word}"
    return f"{int(seconds / 3600) // (24 * 365)} years"


def human_duration_lasts(seconds: float) -> float:
    """Until which age, in seconds, the words of `human_duration` surely stay: the next second, minute or half hour,
    where its words may change."""
    step = 1 if seconds < 60 else 60 if seconds < 3600 else 1800
    return (seconds // step + 1) * step if seconds >= 0 else 1.0


def format_duration(nanoseconds: int) -> str:
    """A duration in Go's notation: ``1h30m0s``, ``1.5s``, ``300ms`` (Go package time, Duration.String)."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < NANOSECONDS:
        for unit, scale in (("ms", 1_000_000), ("\u00b5s", 1_000), ("ns", 1)):
            if rest >= scale:
                return sign + _decimal(rest, scale) + unit
        return "0s"
    minutes, rest = divmod(rest, 60 * NANOSECONDS)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return sign + head + _decimal(rest, NANOSECONDS) + "s"


def _decimal(value: int, scale: int) -> str:
    whole, fraction = divmod(value, scale)
    digits = str(fraction).rjust(len(str(scale)) - 1, "0").rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _scaled(size: float, base: float, names: tuple[str, ...], digits: int) -> str:
    index = 0
    while size >= base and index < len(names) - 1:
        size /= base
        index += 1
    return f"{size:.{digits}g}{names[index]}"


def _digits(text: str) -> bool:
    """Whether it is a number in ASCII digits, and none so long that Python refuses to read it."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _leading(text: str, characters: str) -> str:
    return text[: len(text) - len(text.lstrip(characters))]


def _leading_unit(text: str) -> str:
    end = next((i for i, character in enumerate(text) if character in "0123456789."), len(text))
    return text[:end]


def _fields(text: str, separator: str, widths: tuple[int, ...]) -> list[str]:
    parts = text.split(separator)
    if [len(part) for part in parts] != list(widths) or not all(map(_digits, parts)):
        raise ValueError(text)
    return parts


def _clock(text: str) -> tuple[int, int, int, int]:
    if not text:
        return 0, 0, 0, 0
    time_part, _, fraction = text.partition(".")
    parts = [int(part) for part in _fields(time_part, ":", (2,) * (time_part.count(":") + 1))]
    if len(parts) > 3 or (fraction and not _digits(fraction)):
        raise ValueError(text)
    hour, minute, second = (*parts, 0, 0)[:3]
    return hour, minute, second, int(fraction[:9].ljust(9, "0")) if fraction else 0


def _split_zone(clock: str) -> tuple[str, int | None]:
    """Cut ``Z`` or ``+hh:mm`` off; the offset is in seconds, None without a zone."""
    if clock[-1:] in ("Z", "z"):
        return clock[:-1], 0
    if clock[-6:-5] in ("+", "-") and clock[-3:-2] == ":" and _digits(clock[-5:-3] + clock[-2:]):
        seconds = int(clock[-5:-3]) * 3600 + int(clock[-2:]) * 60
        return clock[:-6], -seconds if clock[-6] == "-" else seconds
    return clock, None


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, by counting years from March."""
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
