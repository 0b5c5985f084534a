"""A fabric that only remembers, and requests with all their fields."""

from __future__ import annotations

from typing import Any

from carrack.errors import Conflict
from carrack.network.plan import NetworkPlan


class FakeFabric:
    """``fails`` is raised by the next creation; ``busy`` networks have endpoints."""

    def __init__(self, *routes: tuple[str, str]) -> None:
        self.plans: dict[str, NetworkPlan] = {}
        self.given_routes = list(routes)
        self.fails: Exception | None = None
        self.busy: set[str] = set()

    async def create(self, plan: NetworkPlan) -> None:
        if self.fails:
            raise self.fails
        self.plans[plan.id] = plan

    async def remove(self, network_id: str) -> None:
        if network_id in self.busy:
            raise Conflict(f"network {network_id} has endpoints")
        del self.plans[network_id]

    async def routes(self) -> list[tuple[str, str]]:
        return self.given_routes


def request(name: str = "web", *subnets: str | dict[str, Any], ipam: dict[str, Any] | None = None, **more: Any) -> Any:
    """The body of a create request."""
    empty = {"Subnet": "", "IPRange": "", "Gateway": "", "AuxiliaryAddresses": None}
    pools = [{**empty, **(one if isinstance(one, dict) else {"Subnet": one})} for one in subnets]
    return {
        "Name": name, "Driver": "", "Scope": "", "Internal": False, "Attachable": False, "Ingress": False,
        "ConfigOnly": False, "ConfigFrom": None, "EnableIPv4": None, "EnableIPv6": None, "Options": None,
        "Labels": None, "IPAM": {"Driver": "", "Config": pools, "Options": None, **(ipam or {})}, **more,
    }  # fmt: skip
