import pytest

from carrack.errors import InvalidArgument, NotSupported
from carrack.model import port_ranges
from carrack.model.ports import PublishedPort
from carrack.network import bindings
from carrack.network.bindings import Binding, Way
from carrack.network.bridge import BridgeSettings
from carrack.network.mappings import PortMapping

FOUR = Way("172.30.0.2", "")
BOTH = Way("172.30.0.2", "fd00::2")


def ports(host: int, container: int, count: int) -> list[PublishedPort]:
    return [PublishedPort(f"{container + n}/tcp", "", str(host + n)) for n in range(count)]


def test_neighbours_are_taken_together() -> None:
    wanted = [
        *ports(8000, 80, 5),
        *ports(9000, 80, 2),
        PublishedPort("90/udp", "", ""),
        PublishedPort("91/udp", "", ""),
    ]
    assert [(first.host_port, count) for first, count in bindings.runs(wanted)] == [
        ("8000", 5),
        ("9000", 2),
        ("", 1),
        ("", 1),
    ]
    assert list(bindings.runs([])) == []
    limited = [PublishedPort("80/tcp", "", "80"), PublishedPort("81/tcp", "", "81", ("10.0.0.0/8",))]
    assert len(list(bindings.runs(limited))) == 2


def test_ranges_are_taken_as_they_come() -> None:
    wanted = [
        *ports(8000, 80, 2),
        PublishedPort("1000-1099/tcp", "::1", "2000-2099", ("fd00::/8",)),
        PublishedPort("300-301/udp", "", ""),
    ]
    assert [(first.container, first.host_ip, first.host_port, count) for first, count in bindings.runs(wanted)] == [
        ("80/tcp", "", "8000", 2),
        ("1000/tcp", "::1", "2000", 100),
        ("300/udp", "", "", 1),
        ("301/udp", "", "", 1),
    ]


def test_where_a_port_without_an_address_is_published() -> None:
    assert bindings.places("", FOUR) == ("0.0.0.0", "::")
    assert bindings.places("", Way("172.30.0.2", "", ipv6=False)) == ("0.0.0.0",)
    assert bindings.places("", Way("", "fd00::2")) == ("::",)
    bound = BridgeSettings("br0", "172.30.0.1/24", host_binding="127.0.0.1")
    assert bindings.places("", Way("172.30.0.2", "", bound)) == ("127.0.0.1",)
    assert bindings.places("::1", FOUR) == ("::1",)
    assert bindings.places("", FOUR, "sctp") == ("0.0.0.0",), "the relay does not speak it"
    assert bindings.places("", BOTH, "sctp") == ("0.0.0.0", "::")
    with pytest.raises(NotSupported, match="sctp on ::1: the container has no IPv6"):
        bindings.places("::1", FOUR, "sctp")
    with pytest.raises(NotSupported, match="this host has no IPv6"):
        bindings.places("::1", Way("172.30.0.2", "", ipv6=False))
    with pytest.raises(InvalidArgument, match="no IPv4 address"):
        bindings.places("127.0.0.1", Way("", "fd00::2"))


def test_a_document_says_all_that_is_needed_to_make_it_again() -> None:
    made = [
        Binding("tcp", ("0.0.0.0", "::"), 8000, 80, 5),
        Binding("tcp", ("0.0.0.0",), 0, 443),
        Binding("udp", ("127.0.0.1",), 53, 53, 1, ("10.0.0.0/8",)),
    ]
    document = bindings.document(made, ["90/tcp"])
    assert document["90/tcp"] is None
    assert document["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "8000"}, {"HostIp": "::", "HostPort": "8000"}]
    assert document["443/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": ""}]
    assert document["53/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "53", "Allow": ["10.0.0.0/8"]}]
    assert sorted(bindings.parse(document), key=str) == sorted(made, key=str)


@pytest.mark.parametrize(
    ("exposed", "entries"),
    [(["1000-1099/tcp"], 2), ([f"{n}/tcp" for n in range(1000, 1100)], 2), (["1000/tcp"], 2), (["1000-1200/tcp"], 3)],
)
def test_a_range_is_one_entry_of_a_document(exposed: list[str], entries: int) -> None:
    made = [Binding("tcp", ("0.0.0.0",), 2000, 1000, 100), Binding("tcp", ("0.0.0.0",), 80, 80)]
    document = bindings.document(made, exposed)
    assert len(document) == entries
    assert sorted(bindings.parse(document), key=str) == sorted(made, key=str)
    ports = port_ranges.unfolded(document)
    assert ports["1099/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "2099"}]
    assert ports.keys() == port_ranges.unfolded(dict.fromkeys([*exposed, "1000-1099/tcp", "80/tcp"])).keys()


def test_two_places_of_one_container_port_are_listed_in_order() -> None:
    made = [Binding("tcp", ("0.0.0.0", "::"), 8083, 80), Binding("tcp", ("0.0.0.0", "::"), 32768, 80)]
    listed = bindings.document(made)["80/tcp"] or []
    assert [(place["HostIp"], place["HostPort"]) for place in listed] == [
        ("0.0.0.0", "8083"),
        ("::", "8083"),
        ("0.0.0.0", "32768"),
        ("::", "32768"),
    ]
    assert sorted(bindings.parse({"80/tcp": listed}), key=str) == sorted(made, key=str)


@pytest.mark.parametrize(
    ("word", "gone"),
    [
        ("80", {8080, 8081}),
        ("80/tcp", {8080, 8081}),
        ("8081:80/tcp", {8081}),
        ("0.0.0.0:8081:80", {8081}),
        ("127.0.0.1:8081:80", set()),
        ("80/udp", set()),
        ("81", set()),
    ],
)
def test_what_goes_by_a_word(word: str, gone: set[int]) -> None:
    made = [Binding("tcp", ("0.0.0.0",), 8080, 80), Binding("tcp", ("0.0.0.0",), 8081, 80)]
    stay, go = bindings.without(made, word)
    assert {one.host_port for one in go} == gone
    assert {one.host_port for one in stay} == {8080, 8081} - gone


def test_one_port_of_a_range_goes_and_the_rest_stays_in_two() -> None:
    stay, [go] = bindings.without([Binding("tcp", ("::",), 8000, 80, 10)], "8003:83")
    assert (go.host_port, go.count) == (8003, 1)
    assert [(one.host_port, one.count) for one in stay] == [(8000, 3), (8004, 6)]


def test_mappings_lead_each_family_to_its_own() -> None:
    one = Binding("tcp", ("0.0.0.0", "::"), 8080, 80)
    assert bindings.mappings([one], BOTH) == [
        PortMapping("tcp", "0.0.0.0", 8080, "172.30.0.2", 80),
        PortMapping("tcp", "::", 8080, "fd00::2", 80),
    ]
    assert [m.address for m in bindings.mappings([one], FOUR)] == ["172.30.0.2"] * 2
    assert [m.host_ip for m in bindings.mappings([one], Way("", "fd00::2"))] == ["::"]
    assert bindings.mappings([one], Way("", "")) == []


def test_an_equal_range_is_one_mapping_and_a_shifted_one_is_many() -> None:
    assert len(bindings.mappings([Binding("tcp", ("0.0.0.0",), 80, 80, 1000)], FOUR)) == 1
    shifted = bindings.mappings([Binding("tcp", ("0.0.0.0",), 81, 80, 1000)], FOUR)
    assert [(m.host_port, m.container_port) for m in shifted] == [(81 + n, 80 + n) for n in range(1000)]


def test_modes_of_the_gateway_open_addresses() -> None:
    routed = Way("172.30.0.2", "", BridgeSettings("br0", "172.30.0.1/24", gateway_mode4="routed"))
    assert routed.routed("0.0.0.0")
    assert not routed.routed("::"), "a container without IPv6 is reached by the host's port"
    [only] = bindings.mappings([Binding("tcp", ("0.0.0.0",), 0, 80)], routed)
    assert (only.host_port, only.direct) == (0, True)
    trusted = Way("172.30.0.2", "", BridgeSettings("br0", "172.30.0.1/24", trusted_interfaces=("eth0",)))
    four, six = bindings.mappings([Binding("tcp", ("0.0.0.0", "::"), 80, 80)], trusted)
    assert (four.direct, six.direct) == (True, False)
    [open_to_all] = bindings.mappings([Binding("tcp", ("0.0.0.0",), 80, 80)], FOUR, direct_routing=True)
    assert open_to_all.direct


def test_what_only_the_relay_can_do_is_refused_without_it() -> None:
    four, both = Way("172.30.0.2", "", ipv6=False, relay=False), Way("172.30.0.2", "fd00::2", relay=False)
    assert bindings.places("", four) == ("0.0.0.0",)
    assert bindings.places("", both) == ("0.0.0.0", "::")
    assert bindings.places("2001:db8::1", both) == ("2001:db8::1",)
    with pytest.raises(
        InvalidArgument, match=r"publish on \[2001:db8::1\]: the container has no IPv6 address, and the"
    ):
        bindings.places("2001:db8::1", four)
    with pytest.raises(InvalidArgument, match=r"publish on \[::1\]: the relay is switched off \(userland-proxy\)"):
        bindings.places("::1", both)
