import pytest

from carrack.errors import InvalidArgument
from carrack.network.bridge import BridgeSettings


def test_settings_derive_the_subnet() -> None:
    settings = BridgeSettings("br0", "172.18.3.1/20")
    assert (settings.subnet, settings.gateway, settings.prefix) == ("172.18.0.0/20", "172.18.3.1", 20)


@pytest.mark.parametrize("name", ["", "a" * 16, "a/b", "a b", "eth0:1", "br%d"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid bridge name"):
        BridgeSettings(name)


@pytest.mark.parametrize(
    "address", ["", "nonsense", "172.17.0.1/33", "172.17.0.0/16", "172.17.255.255/16", "fd00::1/64"]
)
def test_bad_addresses(address: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid bridge address"):
        BridgeSettings("br0", address)


@pytest.mark.parametrize("address", ["10.0.0.0/31", "10.0.0.1/31", "10.0.0.1/32"])
def test_the_smallest_subnets(address: str) -> None:
    assert BridgeSettings("br0", address).own_addresses == (address,)
