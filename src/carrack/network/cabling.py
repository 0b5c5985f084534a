"""The bridge with the cables on it, and bringing both back into shape when somebody has meddled with them."""

import errno
import logging
import os
from collections.abc import Mapping
from dataclasses import replace

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network import bridge, endpoint, sysctl
from carrack.network.bridge import BridgeSettings
from carrack.network.endpoint import Endpoint, ParkedVeth, mac_of

_LOG = logging.getLogger(__name__)


class Cabling:
    """One bridge and the host's ends of its containers' cables, by container id. For one thread at a time."""

    def __init__(self, settings: BridgeSettings, sys_root: str = sysctl.PROC_SYS) -> None:
        self._settings = settings
        self._sys_root = sys_root
        self._cables: dict[str, ParkedVeth] = {}
        self.index = 0
        """The bridge's interface index; another one after it was made anew."""

    def lay(self, host: Netlink) -> None:
        """Make the bridge or bring the present one into shape; as `bridge.ensure`."""
        self.index = bridge.ensure(host, self._settings, self._sys_root)

    def open_loopback(self) -> None:
        """Let the bridge carry what comes from 127.0.0.1; the firewall must stand before."""
        sysctl.ensure(self._sys_root, sysctl.route_localnet(self._settings.name), "1")

    def take_in(self, host: Netlink, pids: Mapping[str, int]) -> None:
        """Find the cables of surviving containers by their first processes, and put those back that came off."""
        links = rtnetlink.links(host) if pids else []
        for container_id, pid in pids.items():
            if pid and (cable := endpoint.cable_of(host, links, pid)):
                self._cables[container_id] = cable
        self._replug(host)

    def plug(
        self, host: Netlink, netlink_fd: int, container_id: str, cable: ParkedVeth, address: str, mac: str | None
    ) -> str:
        """Connect a sandbox and give it its address; returns the MAC address it has. Raises OSError, Unavailable.

        A bridge that was taken away a moment ago is made again.
        """
        settings = self._settings
        inside = Endpoint(
            f"{address}/{settings.prefix}",
            settings.gateway,
            mac or mac_of(address),
            settings.mtu,
            self.index,
            settings.isolated,
            kernel_has_ipv6=sysctl.has_ipv6(self._sys_root),
        )
        with Netlink(fd=os.dup(netlink_fd)) as sandbox:
            try:
                endpoint.plug(host, sandbox, cable, inside)
            except OSError:
                if not self.restore(host):
                    raise
                endpoint.plug(host, sandbox, cable, replace(inside, bridge_index=self.index))
        self._cables[container_id] = cable
        return inside.mac

    def pull(self, container_id: str, host: Netlink | None = None) -> None:
        """Forget a container's cable, which dies with its sandbox; with ``host`` it is cut now."""
        cable = self._cables.pop(container_id, None)
        if cable is not None and host is not None:
            endpoint.unplug(host, cable)

    def restore(self, host: Netlink) -> str:
        """Mend the bridge and plug all cables again if it is not as it was made; what was wrong, in words."""
        damage = bridge.damage(host, self._settings, self.index, self._sys_root)
        if damage:
            self.lay(host)
            self.open_loopback()
            self._replug(host)
        return damage

    def _replug(self, host: Netlink) -> None:
        """One whose sandbox has ended meanwhile is no error."""
        for container_id, cable in self._cables.items():
            try:
                endpoint.replug(host, cable, self.index, isolated=self._settings.isolated)
            except OSError as e:
                if e.errno != errno.ENODEV:
                    raise
                _LOG.debug("container %s has ended, with its cable: %s", container_id, e)
