from carrack.network.plan import Subnet


def test_a_subnet_knows_its_family() -> None:
    assert Subnet("172.18.0.0/16").version == 4
    assert Subnet("fd00:1::/64", gateway="fd00:1::1").version == 6
