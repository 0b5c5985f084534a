"""Signals as users write them. Pure; the words are those that Docker takes."""

import signal

from carrack.errors import InvalidArgument

RTMIN, RTMAX = 34, 64
_MOST_DIGITS = 18


def parse_signal(text: str) -> int:
    """A signal's number from ``9``, ``KILL``, ``SIGKILL`` or ``RTMIN+3``. Raises InvalidArgument."""
    word = text.upper() if text.isascii() else ""
    digits = word[1:] if word.startswith(("+", "-")) else word
    if digits.isdecimal() and len(digits) <= _MOST_DIGITS:
        number = int(word)
        if 0 < number <= RTMAX:
            return number
        if number:
            raise InvalidArgument(f"the linux daemon does not support signal {number}")
    word = word.removeprefix("SIG")
    if word.startswith(("RTMIN+", "RTMAX-")) and word[6:].isdecimal():
        shift = int(word[6:9])
        number = RTMIN + shift if word[2:5] == "MIN" else RTMAX - shift
        if RTMIN <= number <= RTMAX:
            return number
    found = getattr(signal, "SIG" + word, None)
    if isinstance(found, signal.Signals):
        return int(found)
    raise InvalidArgument(f"invalid signal: {text}")
