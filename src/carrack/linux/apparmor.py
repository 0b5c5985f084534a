"""AppArmor profiles: whether this kernel confines by them, which it has loaded, and the one that containers run under.

A profile is loaded by the distribution's ``apparmor_parser``, which compiles it. Ours goes by the name
``docker-default`` because operators, policies and scanners look for that. Sources: apparmor.d(5),
apparmor_parser(8), and Documentation/admin-guide/LSM/apparmor.rst.
"""

from __future__ import annotations

import os

DEFAULT = "docker-default"
PARSERS = ("/sbin/apparmor_parser", "/usr/sbin/apparmor_parser")

# The rules follow what a container's defaults do already (read-only and masked paths, no CAP_SYS_ADMIN), so that they
# still hold when one of these was given away. Files in /proc that belong to a process have a number in their path.
_PROFILE = """\
@{PROC}=/proc/

profile NAME flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  umount,

  # its processes among themselves, and from the engine and foreign runtimes
  signal (send,receive) peer=NAME,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  ptrace (trace,read,tracedby,readby) peer=NAME,

  deny mount,
  deny network alg,

  # what is the kernel's own in /proc; of /proc/sys only the shared memory parameters stay open
  deny @{PROC}/[^0-9]* w,
  deny @{PROC}/[^0-9s]*/** w,
  deny @{PROC}/s[^y]*/** w,
  deny @{PROC}/sysvipc/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/[^s]** w,
  deny @{PROC}/sys/kernel/s[^h]** w,
  deny @{PROC}/sys/kernel/sh[^m]** w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/{mem,kmem,kcore} rwklx,

  # of /sys only the cgroups
  deny /sys/[^f]** wklx,
  deny /sys/f[^s]** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/fs/c[^g]** wklx,
  deny /sys/fs/cg[^r]** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
"""


def profile(name: str = DEFAULT) -> str:
    """The text of the containers' profile."""
    return _PROFILE.replace("NAME", name)


def enabled(root: str = "/") -> bool:
    """Whether the kernel confines by AppArmor, and its profiles can be seen."""
    return _first(f"{root}sys/module/apparmor/parameters/enabled") == "Y" and os.path.isdir(
        f"{root}sys/kernel/security/apparmor"
    )


def parser(root: str = "/") -> str:
    """The program that loads profiles, or nothing."""
    found = [path for path in PARSERS if os.access(root + path[1:], os.X_OK)]
    return found[0] if found else ""


def usual(root: str = "/") -> str:
    """The profile that containers run under on this machine; nothing where there can be none."""
    return DEFAULT if enabled(root) and parser(root) else ""


def loaded(name: str, root: str = "/") -> bool:
    """Whether the kernel has a profile of that name."""
    try:
        with open(f"{root}sys/kernel/security/apparmor/profiles", encoding="utf-8", errors="replace") as file:
            return any(line.rpartition(" (")[0] == name for line in file)
    except OSError:
        return False


def ensure(name: str = DEFAULT) -> None:
    """Load the containers' profile unless the kernel has one of that name (another engine's serves as well).

    Raises OSError with what the parser said. Blocking.
    """
    if loaded(name):
        return
    import subprocess

    done = subprocess.run([parser(), "-Kr"], input=profile(name).encode(), capture_output=True, check=False)
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        raise OSError(done.returncode, f"apparmor_parser could not load the profile: {told}", name)


def _first(path: str) -> str:
    try:
        with open(path) as file:
            return file.read(1)
    except OSError:
        return ""
