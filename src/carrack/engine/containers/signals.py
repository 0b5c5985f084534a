"""Signals as users write them. Pure; the words are those that Docker takes."""

import signal

from carrack.errors import InvalidArgument

RTMIN, RTMAX = 34, 64


def parse_signal(text: str) -> int:
    """A signal's number from ``9``, ``KILL``, ``SIGKILL`` or ``RTMIN+3``. Raises InvalidArgument."""
    word = text.upper() if text.isascii() else ""
    if word.isdecimal() and 0 < int(word[:9]) <= RTMAX:
        return int(word)
    if word.lstrip("+-").isdecimal() and int(word[:9]):
        raise InvalidArgument(f"the linux daemon does not support signal {int(word[:9])}")
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
