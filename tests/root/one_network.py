"""A fabric of one bridge network, for tests that need no more."""

from collections.abc import Collection, Mapping, Sequence

from carrack.model.ports import PublishedPort
from carrack.network import option_names
from carrack.network.bindings import PortsDocument
from carrack.network.bridge import BridgeSettings
from carrack.network.endpoint import ParkedVeth
from carrack.network.fabric import Fabric
from carrack.network.nets import Document
from carrack.network.plan import BRIDGE, EndpointPlan, Existing, NetworkPlan, Subnet
from carrack.network.publishing import Published


def plan_of(settings: BridgeSettings, network_id: str, name: str = "one") -> NetworkPlan:
    """The plan that leads to these settings."""
    subnets = []
    if settings.address:
        subnets.append(Subnet(settings.subnet, settings.gateway, settings.ip_range or ""))
    if settings.address6:
        subnets.append(Subnet(settings.subnet6, settings.gateway6))
    options = {
        option_names.BRIDGE_NAME: settings.name,
        option_names.MTU: str(settings.mtu),
        option_names.ICC: str(not settings.isolated),
        option_names.MASQUERADE: str(settings.masquerade),
        option_names.GATEWAY_MODE[4]: settings.gateway_mode4,
        option_names.GATEWAY_MODE[6]: settings.gateway_mode6,
    }
    return NetworkPlan(network_id, name, BRIDGE, tuple(subnets), settings.internal, options)


class OneNetwork:
    """`Fabric` with the one network understood."""

    def __init__(self, settings: BridgeSettings, network_id: str = "n" * 64, *, table: str) -> None:
        self.plan = plan_of(settings, network_id)
        self.fabric = Fabric(table=table)
        self.park = self.fabric.park
        self.close = self.fabric.close
        self.teardown = self.fabric.teardown

    async def setup(self, existing: Mapping[str, Existing] | None = None) -> None:
        """As the fabric's."""
        await self.fabric.setup([self.plan], existing)

    def past(self, endpoint: Document, ports: PortsDocument, pid: int = 0) -> Existing:
        """A container that survives on this network."""
        return Existing({self.plan.id: endpoint}, ports, pid)

    async def connect(
        self, container_id: str, netns_fd: int, netlink_fd: int, veth: ParkedVeth | None = None, *, mac: str = ""
    ) -> Document:
        """As the fabric's."""
        wanted = EndpointPlan(mac=mac)
        return await self.fabric.connect(container_id, netns_fd, netlink_fd, self.plan.id, wanted, veth)

    async def disconnect(self, container_id: str) -> None:
        """As the fabric's, from all."""
        await self.fabric.disconnect(container_id)

    async def publish(
        self, container_id: str, ports: Sequence[PublishedPort], *, exposed: Collection[str] = (), name: str = ""
    ) -> Published:
        """As the fabric's."""
        return await self.fabric.publish(container_id, ports, exposed=exposed, name=name)
