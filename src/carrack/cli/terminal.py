"""The user's terminal: raw mode that is always undone, its size, and the keys that detach from a container."""

import posix

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"


class RawMode:
    """While entered, the terminal at ``fd`` passes every key on: no echo, no signals, no line editing (termios(3))."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        import termios

        self._saved = termios.tcgetattr(self._fd)
        mode = termios.tcgetattr(self._fd)
        mode[0] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        mode[1] &= ~termios.OPOST
        mode[2] = (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)

    def __exit__(self, *_: object) -> None:
        import termios

        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)


class NoEcho:
    """While entered, the terminal at ``fd`` does not show what is typed; its line editing goes on."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        import termios

        self._saved = termios.tcgetattr(self._fd)
        mode = termios.tcgetattr(self._fd)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)

    def __exit__(self, *_: object) -> None:
        import termios

        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)


def size(fd: int = 1) -> tuple[int, int]:
    """Height and width of the terminal at ``fd`` in characters; zeros when it is none."""
    try:
        columns, lines = posix.get_terminal_size(fd)
    except OSError:
        return 0, 0
    return lines, columns


def width(fallback: int = 0) -> int:
    """The columns of standard output, ``fallback`` when it is no terminal."""
    return size(1)[1] or fallback


def follow_size(send: "Callable[[int, int], None]") -> "Callable[[], None]":
    """Send height and width now and whenever the window changes, as far as it works; the result undoes it."""
    from carrack.cli import signals

    changed: list[bool] = []
    busy: list[bool] = []

    def resize(*_: object) -> None:
        changed.append(True)
        if busy:  # the window changed while its size is being sent: no second request in the midst of one
            return
        busy.append(True)
        while changed:
            changed.clear()
            height, columns = size(1)
            if height and columns:
                try:
                    send(height, columns)
                except Exception:
                    pass  # the program may have ended just now; its size is no longer of interest
        busy.clear()

    before = signals.handle(signals.number("WINCH"), resize)
    resize()

    def restore() -> None:
        signals.handle(signals.number("WINCH"), before)

    return restore


def detach_sequence(text: str) -> bytes:
    """The bytes of ``ctrl-p,ctrl-q`` or ``a,b``; an empty text means the default."""
    codes = bytearray()
    for word in (text or DEFAULT_DETACH_KEYS).split(","):
        if len(word) == 1:
            codes += word.encode()
        elif (
            len(word) == 6
            and word.lower().startswith("ctrl-")
            and word[5].lower() in "abcdefghijklmnopqrstuvwxyz@[\\]^_"
        ):
            codes.append(ord(word[5].upper()) - 64)
        else:
            raise InvalidArgument(f"invalid detach keys ({text}): Unknown character: '{word}'")
    return bytes(codes)


class DetachFilter:
    """Passes typed bytes on, holding back what may be the start of the detach sequence."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """The bytes to pass on, and whether the sequence is complete."""
        passed = bytearray()
        for byte in data:
            if byte == self._sequence[self._matched]:
                self._matched += 1
                if self._matched == len(self._sequence):
                    return bytes(passed), True
                continue
            passed += self._sequence[: self._matched]
            self._matched = 1 if byte == self._sequence[0] else 0
            if not self._matched:
                passed.append(byte)
        return bytes(passed), False
