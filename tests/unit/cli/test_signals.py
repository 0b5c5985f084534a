from __future__ import annotations

import os
import signal

from carrack.cli import signals


def test_numbers_and_handlers() -> None:
    assert signals.number("TERM") == signal.SIGTERM
    got: list[int] = []
    before = signals.handle(signal.SIGUSR2, lambda number, _: got.append(number))
    os.kill(os.getpid(), signal.SIGUSR2)
    signals.handle(signal.SIGUSR2, before)
    assert got == [signal.SIGUSR2]
