"""Ours, beside Docker's API: who can reach what, and what is wrong with the network of this host."""

from __future__ import annotations

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.engine.system.doctor import NetworkDoctor


def routes(doctor: NetworkDoctor) -> list[Route]:
    """The route table."""

    async def ports(_: Request) -> Response:
        return json_response(await doctor.reach())

    async def network(_: Request) -> Response:
        return json_response(await doctor.diagnose())

    return [Route("GET", "/system/ports", ports), Route("GET", "/system/doctor/network", network)]
