"""That both kinds keep what the protocol tells is seen in the kernel: tests/suites/wires.py, run by tests/root."""

import inspect

import pytest

from carrack.network.cabling import Cabling
from carrack.network.sublinks import Sublinks
from carrack.network.wire import Wire


@pytest.mark.parametrize("kind", [Cabling, Sublinks])
def test_nothing_of_the_protocol_is_left_out(kind: type) -> None:
    names = [name for name, _ in inspect.getmembers(Wire) if not name.startswith("_")]
    assert len(names) > 8
    assert [name for name in names if name not in vars(kind)] == []
