"""What docs/networks.md calls the options is what the drivers take."""

from __future__ import annotations

from pathlib import Path

from carrack.engine.networks import options
from carrack.network import option_names as names


def test_every_option_is_known_to_the_driver_that_it_is_of() -> None:
    of_bridges = (
        names.BRIDGE_NAME, names.ICC, names.MASQUERADE, names.HOST_BINDING, names.INHIBIT_IPV4, names.TRUSTED,
        names.MTU, names.INTERFACE_PREFIX, *names.GATEWAY_MODE.values(), *names.SOURCE.values(), *names.ENABLE.values(),
    )  # fmt: skip
    given = dict.fromkeys(of_bridges, "")
    good = {names.MTU: "1500", names.ICC: "t", names.MASQUERADE: "F", names.INHIBIT_IPV4: "true"}
    good |= {names.HOST_BINDING: "127.0.0.1", names.SOURCE[4]: "10.0.0.1", names.SOURCE[6]: "fd00::1"}
    good |= dict.fromkeys(names.GATEWAY_MODE.values(), "nat")
    assert options.check("bridge", given | good, internal=False) == []
    assert options.check("bridge", {names.IFNAME: "x"}, internal=False) == [names.IFNAME]
    page = (Path(__file__).parents[3] / "docs/networks.md").read_text()
    assert all(
        name.removeprefix("com.docker.network.") in page for name in (names.ICC, names.MTU, *names.ENABLE.values())
    )
