import os
import time
from functools import partial

from carrack.shim.loop import IN, OUT, Loop


def test_handlers_get_their_events_until_they_are_forgotten() -> None:
    loop, seen = Loop(), []
    reading, writing = os.pipe()
    loop.watch(reading, IN, lambda events: seen.append(("read", events & IN)))
    loop.watch(writing, OUT, lambda events: seen.append(("write", events & OUT)))
    loop.turn()
    assert seen == [("write", OUT)]
    loop.forget(writing)
    loop.forget(writing)
    os.write(writing, b"x")
    loop.turn()
    assert seen[1:] == [("read", IN)]
    os.close(reading)
    os.close(writing)
    loop.close()


def test_a_number_that_is_used_again_gets_no_old_events() -> None:
    loop = Loop()
    seen: list[int] = []
    pairs = [os.pipe() for _ in range(2)]
    again: list[int] = []

    def close_the_other(index: int, _: int) -> None:
        other = pairs[1 - index][0]
        if not again:
            loop.forget(other)
            again.extend(os.pipe())
            os.dup2(again[0], other, inheritable=False)  # closes what had the number
            loop.watch(other, IN, seen.append)

    for index, (reading, writing) in enumerate(pairs):
        os.write(writing, b"x")
        loop.watch(reading, IN, partial(close_the_other, index))
    loop.turn()
    assert seen == []
    loop.close()
    for fd in {*pairs[0], *pairs[1], *again}:
        os.close(fd)


def test_timers_fire_in_time_and_once() -> None:
    loop, fired = Loop(), []
    loop.after(0.02, lambda: fired.append("late"))
    loop.after(0.0, lambda: fired.append("soon"))
    end = time.monotonic() + 5
    while len(fired) < 2 and time.monotonic() < end:
        loop.turn()
    assert fired == ["soon", "late"]
    loop.close()
