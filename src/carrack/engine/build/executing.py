"""Jobs of a build as programs of the container engine: see Runner of carrack.engine.build.running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from carrack.engine.build.running import Ran
from carrack.errors import InvalidArgument
from carrack.shim.client import StartFailed

if TYPE_CHECKING:
    from carrack.engine.build.running import Bound, Job, Output
    from carrack.engine.containers.transient import Transients
    from carrack.model.container import Document, MountPoint


class ContainerRunner:
    """See Runner."""

    def __init__(self, transients: Transients) -> None:
        self._transients = transients

    @asynccontextmanager
    async def run(self, job: Job, output: Output) -> AsyncIterator[Ran]:
        """See Runner."""
        points = [_point(bound) for bound in job.mounts if not bound.tmpfs]
        try:
            async with self._transients.run(_body(job), job.layers, points, output) as ended:
                yield Ran(ended.exit.code, ended.changes, ended.exit.oom_killed)
        except StartFailed as error:
            raise InvalidArgument(str(error)) from error


def _body(job: Job) -> Document:
    host: dict[str, Any] = {
        **job.host_config,
        "NetworkMode": job.network,
        "Privileged": job.insecure,
        "ExtraHosts": list(job.extra_hosts),
        "LogConfig": {"Type": "none", "Config": {}},
    }
    if job.devices:
        host["DeviceRequests"] = [{"Driver": "cdi", "DeviceIDs": list(job.devices)}]
    tmpfs = {bound.target: f"exec,size={bound.size}" if bound.size else "exec" for bound in job.mounts if bound.tmpfs}
    if tmpfs:
        host["Tmpfs"] = tmpfs
    return {
        "Image": "",
        "Entrypoint": [],
        "Cmd": list(job.words),
        "Env": list(job.env),
        "WorkingDir": job.workdir,
        "User": job.user,
        "Hostname": "" if job.network == "host" else job.hostname,
        "HostConfig": host,
    }


def _point(bound: Bound) -> MountPoint:
    point: dict[str, Any] = {
        "Type": "bind",
        "Source": str(bound.source),
        "Destination": bound.target,
        "Mode": "",
        "RW": not bound.readonly,
        "Propagation": "rprivate",
    }
    if bound.source is None:
        point.update({"Type": "image", "Name": "layers", "Source": "", "RW": False, "Layers": list(bound.layers)})
    if bound.subpath:
        point["Subpath"] = bound.subpath
    return point  # type: ignore[return-value]
