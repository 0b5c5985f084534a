"""Kernel parameters of the container's own namespaces (``linux.sysctl``).

Only parameters that belong to a namespace other than the host's are let through.
Writes go through a procfs of our own, so that nothing a container mounts over /proc/sys can redirect them
(CVE-2025-52881), and are made before /proc/sys becomes read-only.
"""

from __future__ import annotations

import os
import socket

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.runtime.inroot import Procfs

_IPC = frozenset(
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni "
    "kernel.shm_rmid_forced".split()
)
_MQUEUE = "fs.mqueue."


def check(sysctls: Mapping[str, str], own_namespaces: frozenset[str] | set[str]) -> None:
    """InvalidArgument names the first parameter that is not of a namespace of the container's own."""
    for key in sysctls:
        name = _dotted(key)
        if name in _IPC or name.startswith(_MQUEUE):
            needed = "ipc"
        elif name.startswith("net."):
            needed = "network"
        elif name == "kernel.domainname":
            needed = "uts"
        elif name == "kernel.hostname":
            raise InvalidArgument(f'sysctl "{key}" is not allowed as it conflicts with the OCI "hostname" field')
        else:
            raise InvalidArgument(f'sysctl "{key}" is not in a separate kernel namespace')
        if needed not in own_namespaces:
            words = "not allowed in host network" if needed == "network" else f"is not allowed in the hosts {needed}"
            raise InvalidArgument(f'sysctl "{key}" {words} namespace')


def apply(sysctls: Mapping[str, str], procfs: Procfs) -> None:
    """Write each; OSError names the parameter."""
    for key, value in sysctls.items():
        try:
            procfs.write(f"sys/{path(key)}", value)
        except OSError as error:
            raise OSError(error.errno, f"sysctl {key}={value}: {os.strerror(error.errno or 0).lower()}") from None


def name_host(name: str) -> None:
    """The host's name, for which the kernel has a call; OSError tells it."""
    try:
        socket.sethostname(name)
    except OSError as error:
        raise OSError(error.errno, f"sethostname {name}: {os.strerror(error.errno or 0).lower()}") from None


def path(key: str) -> str:
    """``net.ipv4.conf.eth0/1.mtu`` → ``net/ipv4/conf/eth0.1/mtu``: as sysctl(8), the first separator decides."""
    dot, slash = key.find("."), key.find("/")
    as_is = dot < 0 or 0 <= slash < dot
    result = key if as_is else "".join({".": "/", "/": "."}.get(letter, letter) for letter in key)
    if any(part in ("", ".", "..") for part in result.split("/")):
        raise InvalidArgument(f'sysctl "{key}" is not the name of a kernel parameter')
    return result


def _dotted(key: str) -> str:
    return path(key).replace("/", ".")
