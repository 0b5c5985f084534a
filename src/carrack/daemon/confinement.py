"""What confines containers on this host, as the daemon finds it when it starts, and what `docker info` tells of it."""

from __future__ import annotations

import logging

from carrack.engine.spec import HostFacts
from carrack.linux import apparmor, selinux

log = logging.getLogger(__name__)


def load_profile(name: str) -> None:
    """Load the AppArmor profile that containers run under (nothing: there is none), as everybody expects. Blocking."""
    if not name:
        if apparmor.enabled():
            log.warning("containers are not confined by AppArmor: apparmor_parser (package apparmor) is missing")
        return
    try:
        apparmor.ensure(name)
    except OSError as error:  # told again by each start, which needs it
        log.error("%s", error)


def labels(wanted: bool) -> selinux.Contexts | None:
    """What the machine's SELinux policy says of containers, if it is wanted and there is one."""
    if not wanted:
        return None
    if not selinux.enabled():
        log.warning("containers get no SELinux labels: the kernel runs no SELinux policy")
        return None
    found = selinux.contexts()
    if found is None:
        log.warning("containers get no SELinux labels: the policy has no lxc_contexts (package container-selinux)")
    return found


def security_options(facts: HostFacts) -> tuple[str, ...]:
    """What `docker info` lists, in its order."""
    guard = facts.given.security
    listed = {
        "name=apparmor": bool(guard.apparmor),
        f"name=seccomp,profile={facts.given.seccomp_source}": True,
        "name=selinux": facts.given.selinux is not None,
        "name=userns": facts.remap is not None,
        "name=cgroupns": facts.cgroup_version == 2,
        "name=no-new-privileges": guard.no_new_privileges,
    }
    return tuple(name for name, there in listed.items() if there)
