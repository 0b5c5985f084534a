import subprocess
import sys

import pytest

from carrack.shim import filling

CHECK = """
import gc
from carrack.shim.filling import fill

def spread():
    return len({id(one) >> 12 for one in [bytes(67) for _ in range(30)]})

holes = [bytes(67) for _ in range(4000)]
del holes[::40]
scattered = spread()
kept = fill()
print(scattered > 10, spread() <= 2, len(kept) > 1000)
"""


def test_what_is_made_afterwards_lies_together() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{CHECK}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True"] * 3


def test_an_allocator_without_pools_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_POOL", 1 << 40)
    monkeypatch.setattr(filling, "_LIMIT", 4096)
    assert filling._fill(64) == []


def test_each_size_is_met() -> None:
    # the interpreter's own count of what a number, a text and a bare object take
    assert [sys.getsizeof(filling._object(size, 7)) for size in (16, 32, 48, 512)] == [16, 32, 48, 512]
