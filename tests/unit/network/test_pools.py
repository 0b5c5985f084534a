import pytest

from carrack.errors import InvalidArgument
from carrack.network import pools
from carrack.network.pools import DEFAULT_POOLS, choose, collision, faults, ula

ROUTES = [("0.0.0.0/0", "eth0"), ("172.17.42.0/24", "tun0"), ("::/0", "eth0"), ("fe80::/64", "eth0")]


def test_the_first_free_subnet_of_the_defaults() -> None:
    assert choose(DEFAULT_POOLS, [], [], 4) == "172.17.0.0/16"
    assert choose(DEFAULT_POOLS, ["172.18.0.0/16", "fd00::/64"], ROUTES, 4) == "172.19.0.0/16"
    assert choose(DEFAULT_POOLS, [], [("172.16.0.0/12", "eth1")], 4) == "192.168.0.0/20"
    assert choose(DEFAULT_POOLS, ["172.16.0.0/12"], [("192.168.4.1/32", "eth1")], 4) == "192.168.16.0/20"
    with pytest.raises(InvalidArgument, match="fully subnetted"):
        choose(DEFAULT_POOLS, ["172.16.0.0/12"], [("192.168.0.0/16", "eth1")], 4)


def test_pools_are_cut_to_their_size_and_of_one_family() -> None:
    mixed = [ula("id"), ("10.0.0.0/23", 24)]
    assert choose(mixed, ["10.0.0.0/24"], [], 4) == "10.0.1.0/24"
    first = choose(mixed, [], ROUTES, 6)
    assert first.startswith("fd")
    assert first.endswith("::/64")
    assert choose(mixed, [first], [], 6) == first.replace("::", ":1::")


def test_an_engines_pool_is_its_own_and_stays() -> None:
    assert ula("one") == ula("one") != ula("two")
    assert ula("one")[1] == 64


def test_a_pool_too_big_to_search_counts_as_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST_TRIED", 2)
    with pytest.raises(InvalidArgument, match="fully subnetted"):
        choose([("fd00::/8", 64)], ["fd00::/63"], [], 6)


@pytest.mark.parametrize(
    ("subnet", "words"),
    [
        ("10.1.0.0/16", "network db (10.1.2.0/24)"),
        ("172.17.0.0/16", "the host's route 172.17.42.0/24 dev tun0"),
        ("10.2.0.0/16", ""),
        ("fd00::/64", ""),
    ],
)
def test_what_is_overlapped_is_named(subnet: str, words: str) -> None:
    assert collision(subnet, {"10.1.2.0/24": "db"}, ROUTES) == words


def test_a_networks_own_bridge_is_no_collision() -> None:
    assert collision("172.17.42.0/24", {}, ROUTES, own="tun0") == ""


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        (("nonsense",), "invalid subnet nonsense: invalid CIDR block notation"),
        (("10.5.0.1/24",), "invalid subnet 10.5.0.1/24: it should be 10.5.0.0/24"),
        (("fd00:5::1/64",), "invalid subnet fd00:5::1/64: it should be fd00:5::/64"),
        (
            ("10.5.0.0/24", "10.9.9.9"),
            "invalid gateway 10.9.9.9: parent subnet 10.5.0.0/24 doesn't contain this address",
        ),
        (("10.5.0.0/24", "zz"), "invalid gateway zz: invalid address"),
        (("10.5.0.0/24", "fd00::1"), "invalid gateway fd00::1: parent subnet is an IPv4 block"),
        (
            ("10.5.0.0/24", "", "10.6.0.0/25"),
            "invalid ip-range 10.6.0.0/25: parent subnet 10.5.0.0/24 doesn't contain ip-range",
        ),
        (
            ("10.5.0.0/24", "", "10.0.0.0/8"),
            "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.5.0.0/24",
        ),
        (("10.5.0.0/24", "", "10.5.0.3/25"), "invalid ip-range 10.5.0.3/25: it should be 10.5.0.0/25"),
        (("10.5.0.0/24", "", "fd00::/64"), "invalid ip-range fd00::/64: parent subnet is an IPv4 block"),
        (("10.5.0.0/24", "", "", {"a": "zz"}), "invalid auxiliary address a: invalid address"),
        (
            ("10.5.0.0/24", "", "", {"a": "10.9.9.9"}),
            "invalid auxiliary address a: parent subnet 10.5.0.0/24 doesn't contain this address",
        ),
    ],
)
def test_what_is_wrong_is_told_in_dockers_words(configuration: tuple[str, ...], words: str) -> None:
    assert faults(*configuration) == [words]  # type: ignore[arg-type]


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert faults("10.5.0.0/24", "10.5.0.1", "10.5.0.128/25", {"a": "10.5.0.2"}) == []
    assert faults("fd00:5::/64", "fd00:5::1") == []
