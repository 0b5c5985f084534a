import pytest

from carrack.errors import InvalidArgument, Unavailable
from carrack.network.bridge import BridgeSettings, free_address, subnets


def test_settings_derive_the_subnet() -> None:
    settings = BridgeSettings("br0", "172.18.3.1/20")
    assert (settings.subnet, settings.gateway, settings.prefix) == ("172.18.0.0/20", "172.18.3.1", 20)


@pytest.mark.parametrize("name", ["", "a" * 16, "a/b", "a b", "eth0:1", "br%d"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid bridge name"):
        BridgeSettings(name)


@pytest.mark.parametrize(
    "address", ["", "nonsense", "172.17.0.1/33", "172.17.0.0/16", "172.17.255.255/16", "10.0.0.1/31"]
)
def test_bad_addresses(address: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid bridge address"):
        BridgeSettings("br0", address)


def test_first_pool_that_overlaps_no_route() -> None:
    pools = ["172.17.0.0/16", "172.18.0.0/16"]
    assert free_address(pools, []) == "172.17.0.1/16"
    assert free_address(pools, ["172.17.42.0/24"]) == "172.18.0.1/16"
    with pytest.raises(Unavailable, match="--bip"):
        free_address(pools, ["172.16.0.0/12"])


def test_pools_are_cut_to_their_size() -> None:
    pools = [("10.1.0.0/23", 24), ("10.2.0.0/24", 24)]
    assert list(subnets(pools)) == ["10.1.0.0/24", "10.1.1.0/24", "10.2.0.0/24"]
    assert free_address(subnets([("10.0.0.0/8", 24)]), ["10.0.0.0/22"]) == "10.0.4.1/24"
