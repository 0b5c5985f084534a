from carrack.network.bridge import BridgeSettings
from carrack.network.service import endpoint_document


def test_endpoint_document_has_dockers_fields() -> None:
    document = endpoint_document(BridgeSettings("br0", "172.18.0.1/20"), "n" * 64, "172.18.0.2", "02:42:ac:12:00:02")
    assert len(document.pop("EndpointID")) == 64
    assert document == {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": "02:42:ac:12:00:02",
        "DriverOpts": None,
        "GwPriority": 0,
        "NetworkID": "n" * 64,
        "Gateway": "172.18.0.1",
        "IPAddress": "172.18.0.2",
        "IPPrefixLen": 20,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
