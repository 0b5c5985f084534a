"""Lines of history as BuildKit writes them, which shows lists and structures as Go's ``%q`` and ``%v`` do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from carrack.dockerfile import commands as c

_LAST_RUNE = 0x10FFFF
_NAMED = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def pairs(given: Iterable[c.Pair]) -> str:
    """``NAME=value`` of each."""
    return " ".join(f"{pair.key}={pair.value}" for pair in given)


def quoted(words: Iterable[str]) -> str:
    """Words in Go's quotes, in brackets, without commas."""
    return f"[{' '.join(quote(word) for word in words)}]"


def quote(text: str) -> str:
    """A text in double quotes, escaped as Go does."""
    return f'"{"".join(_escape(char) for char in text)}"'


def _escape(char: str) -> str:
    code = ord(char)
    if code in _NAMED:
        return f"\\{_NAMED[code]}"
    if char.isprintable():
        return char
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:  # also bytes that are no text
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def healthcheck(test: Sequence[str], command: c.Healthcheck) -> str:
    """The line of a HEALTHCHECK: the members of a structure in its order, the number of retries as a character."""
    times = (command.interval, command.timeout, command.start_period, command.start_interval)
    shown = " ".join(f'"{duration(each)}"' for each in times)
    retries = {39: "\\'", 34: '"'}.get(command.retries) or _escape(
        chr(command.retries if command.retries <= _LAST_RUNE else 0xFFFD)
    )
    return f"HEALTHCHECK &{{{quoted(test)} {shown} '{retries}'}}"


def _rune(number: int) -> str:
    return chr(number) if number <= _LAST_RUNE else "\ufffd"


def duration(nanoseconds: int) -> str:
    """As Go shows it: ``1m30s``, ``1.5s``, ``20ms``, ``0s``."""
    if nanoseconds < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1000), ("ns", 1)):
            if nanoseconds >= size:
                return f"{_decimal(nanoseconds, size)}{unit}"
        return "0s"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 1_000_000_000)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).zfill(len(str(unit)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def transfer(verb: str, command: c.Transfer) -> str:
    """The line of a COPY or ADD: whose and with which permissions, sources, files written in place, destination."""
    named = [each for each in command.sources if not (command.inline and each.lstrip("0123456789").startswith("<<"))]
    flags = [f"--{name}={value}" for name, value in (("chown", command.chown), ("chmod", command.chmod)) if value]
    docs = [f"<<{doc.name}" for doc in command.inline]
    return " ".join((verb, *flags, *named, *docs, command.destination))
