from hypothesis import given
from hypothesis import strategies as st

from carrack.network.portbook import Clash, PortBook

ANY, ANY6 = "0.0.0.0", "::"


def test_single_ports_and_ranges_clash_with_each_other() -> None:
    book = PortBook()
    book.take("tcp", [ANY, ANY6], 80, owner="web")
    book.take("tcp", ["127.0.0.1"], 8000, 100, "range")
    assert book.clash("tcp", ["127.0.0.1"], 80) == Clash("127.0.0.1", 80, "web")
    assert book.clash("tcp", ["::1"], 70, 20) == Clash("::1", 80, "web")
    assert book.clash("tcp", [ANY6, ANY], 8099, 5) == Clash(ANY, 8099, "range")
    for protocol, address, port in (
        ("udp", ANY, 80),
        ("tcp", "192.0.2.1", 8000),
        ("tcp", ANY6, 8000),
        ("tcp", ANY, 81),
    ):
        assert book.clash(protocol, [address], port) is None


def test_one_port_of_a_range_comes_back() -> None:
    book = PortBook()
    book.take("tcp", [ANY, ANY6], 8000, 10, "range")
    book.give_back("tcp", [ANY, ANY6], 8003)
    assert book.clash("tcp", [ANY, ANY6], 8003) is None
    assert book.clash("tcp", [ANY], 8002) is not None
    assert book.clash("tcp", [ANY6], 8004, 100) == Clash(ANY6, 8004, "range")
    book.give_back("tcp", [ANY], 8000, 10)
    assert book.clash("tcp", [ANY], 8000, 10) is None
    assert book.clash("tcp", [ANY6], 8000, 10) is not None


_TURNS = st.tuples(st.booleans(), st.sampled_from([ANY, "127.0.0.1", ANY6]), st.integers(1, 20), st.integers(1, 8))


@given(st.lists(_TURNS, max_size=12))
def test_it_tells_what_a_set_of_ports_would(turns: list[tuple[bool, str, int, int]]) -> None:
    book = PortBook()
    taken: set[tuple[str, int]] = set()
    for take, address, first, count in turns:
        ports = {(address, port) for port in range(first, first + count)}
        if take and not ports & taken:
            book.take("tcp", [address], first, count)
            taken |= ports
        elif not take:
            book.give_back("tcp", [address], first, count)
            taken -= ports
    for port in range(1, 30):
        meets = {place for place, number in taken if number == port and ":" not in place}
        assert (book.clash("tcp", [ANY], port) is not None) == bool(meets)
        assert (book.clash("tcp", ["127.0.0.1"], port) is not None) == bool(meets & {ANY, "127.0.0.1"})
        assert (book.clash("tcp", [ANY6], port) is not None) == ((ANY6, port) in taken)
