import pytest

from carrack.network.names.view import View, packed


def test_a_view_as_a_message() -> None:
    view = View(("n1",), ("9.9.9.9",), True, False, {"Host.docker.internal": ("10.0.0.1", "fd00::1/64"), "x" * 70: ()})
    names = {b"\4host\6docker\10internal\0": (bytes([10, 0, 0, 1]), bytes.fromhex("fd00" + "0" * 27 + "1"))}
    assert view.message() == (("n1",), ("9.9.9.9",), True, False, names)


def test_addresses() -> None:
    assert packed(("", "10.0.0.2/24")) == (bytes([10, 0, 0, 2]),)
    with pytest.raises(ValueError, match="nonsense"):
        packed(("nonsense",))
