from hypothesis import given
from hypothesis import strategies as st

from carrack.linux.nft_expressions import IPV4, IPV6
from carrack.network import mappings
from carrack.network.mappings import PortMapping, changes, coalesce, entries, limits


def mapping(host: int, container: int, count: int = 1, ip: str = "0.0.0.0", **more: object) -> PortMapping:
    return PortMapping("tcp", ip, host, "172.30.0.2", container, count, **more)  # type: ignore[arg-type]


def test_equal_runs_become_one_and_shifted_ones_do_not() -> None:
    equal = [mapping(port, port) for port in range(10000, 10010)]
    assert coalesce(reversed(equal)) == [mapping(10000, 10000, 10)]
    shifted = [mapping(port + 1, port) for port in range(10000, 10010)]
    assert coalesce(shifted) == shifted


def test_a_hole_another_address_or_another_limit_ends_a_run() -> None:
    found = coalesce([mapping(1, 1), mapping(2, 2), mapping(4, 4), mapping(5, 5, ip="127.0.0.1")])
    assert found == [mapping(1, 1, 2), mapping(4, 4), mapping(5, 5, ip="127.0.0.1")]
    limited = [mapping(1, 1), mapping(2, 2, allow=("10.0.0.0/8",))]
    assert coalesce(limited) == limited


@given(st.sets(st.tuples(st.integers(1, 60), st.booleans())))
def test_coalescing_loses_and_invents_nothing(ports: set[tuple[int, bool]]) -> None:
    wanted = {mapping(port, port if equal else port + 7) for port, equal in ports}
    wanted = {m for m in wanted if m.host_port == m.container_port or mapping(m.host_port, m.host_port) not in wanted}
    expanded = {mapping(m.host_port + n, m.container_port + n) for m in coalesce(wanted) for n in range(m.count)}
    assert expanded == wanted


def test_which_map_a_mapping_belongs_to() -> None:
    found = entries([mapping(80, 8080), mapping(81, 81, ip="127.0.0.1"), mapping(90, 90, 5)])
    assert {name: len(elements) for (_, name), elements in found.items()} == {
        "published": 1,
        "published_on": 1,
        "published_ranges": 1,
    }
    published, ranges = found[IPV4, "published"][0], found[IPV4, "published_ranges"][0]
    assert published.key == b"\6\0\0\0\0\x50\0\0"
    assert published.data == b"\xac\x1e\0\2\x1f\x90\0\0"
    assert ranges.key == b"\6\0\0\0" + bytes(4) + b"\0\x5a\0\0"
    assert ranges.key_end == b"\6\0\0\0\xff\xff\xff\xff\0\x5e\0\0"


def test_ipv6_to_a_container_without_is_relayed_as_one_entry_however_the_range_is_shifted() -> None:
    found = entries([mapping(8000 + n, 80 + n, ip="::") for n in range(10)])
    assert list(found) == [(IPV6, "relayed")]
    [element] = found[IPV6, "relayed"]
    assert element.key == b"\6\0\0\0" + bytes(16) + b"\x1f\x40\0\0"
    assert element.key_end == b"\6\0\0\0" + b"\xff" * 16 + b"\x1f\x49\0\0"


def test_ipv6_to_a_container_with_it_is_translated_but_for_the_hosts_own_loopback() -> None:
    found = entries([PortMapping("tcp", "::", 80, "fd00::2", 80)])
    assert set(found) == {(IPV6, "published"), (IPV6, "relayed")}
    [element] = found[IPV6, "relayed"]
    assert element.key[4:20] == bytes(15) + b"\1" == element.key_end[4:20]
    assert set(entries([PortMapping("tcp", "::1", 80, "fd00::2", 80)])) == {(IPV6, "relayed")}
    assert set(entries([PortMapping("tcp", "fd00::1", 80, "fd00::2", 80)])) == {(IPV6, "published_on")}


def test_limits_by_source_are_of_one_family_and_do_not_overlap() -> None:
    allow = ("10.0.0.0/8", "10.1.0.0/16", "fd00::/8")
    found = entries([mapping(443, 443, allow=allow)])
    assert len(found[IPV4, "restricted"]) == len(found[IPV4, "allowed"]) == 1
    only_six = entries([mapping(443, 443, allow=("fd00::/8",))])
    assert (IPV4, "allowed") not in only_six, "nobody over IPv4"
    assert (IPV4, "restricted") in only_six


def test_a_routed_port_is_opened_where_it_is() -> None:
    found = entries([mapping(0, 80, 3, direct=True), mapping(8081, 81, direct=True)])
    assert set(found) == {(IPV4, "direct"), (IPV4, "published")}
    [element] = found[IPV4, "direct"]
    assert element.key == b"\6\0\0\0\xac\x1e\0\2\0\x50\0\0" + bytes(4)
    assert element.key_end == b"\6\0\0\0\xac\x1e\0\2\0\x52\0\0\xff\xff\xff\xff"
    assert entries([mapping(0, 80, direct=True, allow=("fd00::/8",))]) == {}


def test_changes_are_what_differs() -> None:
    before, after = entries([mapping(80, 80), mapping(81, 81)]), entries([mapping(81, 81), mapping(82, 82)])
    gone, come = changes(before, after)
    assert [element.key[4:6] for element in gone[IPV4, "published"]] == [b"\0\x50"]
    assert [element.key[4:6] for element in come[IPV4, "published"]] == [b"\0\x52"]
    assert changes(before, before) == ({}, {})


def test_limits_of_subnets() -> None:
    assert limits("172.30.0.0/24") == (b"\xac\x1e\0\0", b"\xac\x1e\0\xff")
    assert limits("::/0") == (bytes(16), b"\xff" * 16)
    assert mappings.packed("::1") == bytes(15) + b"\1"
