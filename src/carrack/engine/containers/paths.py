"""Where a container's files lie.

::

    <data root>/containers/<id>/    0710        kept until the container is removed
        hosts  hostname  resolv.conf            bound into the container, updated in place
        <id>-json.log  <id>-json.log.1 …        the log of the json-file driver
        local-logs/                             the local driver's, or the cache beside a remote driver
            container.log  container.log.1.z …
            log-status                          what was dropped, once something was
    <run root>/containers/<id>/     0700        while it runs
        shim.sock  exit                         the shim's socket; the exit code before anyone was told
        shm/                                    a shareable /dev/shm, when there is one
"""

import os
from typing import NamedTuple

from carrack.model import cgroup_parent


class Paths(NamedTuple):
    """The two roots of this daemon, and the cgroup that its containers have theirs in."""

    data_root: str
    run_root: str
    cgroup_parent: str = "/carrack"

    def data(self, identity: str) -> str:
        return os.path.join(self.data_root, "containers", identity)

    def run(self, identity: str) -> str:
        return os.path.join(self.run_root, "containers", identity)

    def cgroup(self, identity: str, parent: str = "") -> str:
        """``parent``: of the container's own, in place of the daemon's."""
        return os.path.join(self.parent(parent), identity)

    def parent(self, own: str) -> str:
        """The cgroup in which a container has its own; ``own``: what was asked for it."""
        return cgroup_parent.path(own) or self.cgroup_parent

    def log(self, identity: str) -> str:
        return os.path.join(self.data_root, "containers", identity, identity + "-json.log")

    def local_log(self, identity: str) -> str:
        """The local driver's, or the cache beside a remote one."""
        return os.path.join(self.data_root, "containers", identity, "local-logs", "container.log")

    def file(self, identity: str, name: str) -> str:
        """One of hosts, hostname, resolv.conf."""
        return os.path.join(self.data_root, "containers", identity, name)
