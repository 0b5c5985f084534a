"""AppArmor and SELinux labels for the program to come, written through our own procfs and read back."""

from __future__ import annotations

import os

from carrack.errors import InvalidArgument, NotSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.oci.runtime_spec import Process
    from carrack.runtime.inroot import Procfs


def check(process: Process, mount_label: str = "", sys_root: str = "/sys") -> None:
    """NotSupported when the spec wants a label of a module that this kernel does not run."""
    profile, label = process.get("apparmorProfile"), process.get("selinuxLabel") or mount_label
    if profile and _flag(f"{sys_root}/module/apparmor/parameters/enabled") != "Y":
        raise NotSupported(f"apparmor profile {profile!r} is asked for, but AppArmor is not enabled on this machine")
    if label and not os.path.exists(f"{sys_root}/fs/selinux/enforce"):
        raise NotSupported(f"selinux label {label!r} is asked for, but SELinux is not enabled on this machine")


def apply(process: Process, procfs: Procfs) -> None:
    """Set what execve will switch to; OSError when the kernel did not take it."""
    profile, label = process.get("apparmorProfile"), process.get("selinuxLabel")
    if profile:
        try:
            _apply_profile(procfs, profile)
        except FileNotFoundError:
            told = f"unable to apply apparmor profile {profile!r}: the kernel has none of that name"
            raise InvalidArgument(f"{told}; load it with apparmor_parser") from None
    if label:
        _write(procfs, "self/attr/exec", label, label)


def label_keyring(process: Process, procfs: Procfs) -> None:
    """Have the session keyring that is made next be one that the program may use; execve(2) ends this."""
    if label := process.get("selinuxLabel"):
        try:
            procfs.write("self/attr/keycreate", label)
        except OSError:
            pass  # `check` and `apply` say what is wrong; without it there is a program that has no keys


def _apply_profile(procfs: Procfs, profile: str) -> None:
    try:
        _write(procfs, "self/attr/apparmor/exec", f"exec {profile}", profile)
    except FileNotFoundError:  # kernels before 5.1 have only the shared file
        _write(procfs, "self/attr/exec", f"exec {profile}", profile)


def _write(procfs: Procfs, path: str, text: str, wanted: str) -> None:
    procfs.write(path, text)
    found = procfs.read(path).rstrip("\0\n")
    if wanted not in found:
        raise OSError(13, f"the label {wanted!r} did not take: it reads {found!r}", f"/proc/{path}")


def _flag(path: str) -> str:
    try:
        with open(path) as file:
            return file.read(1)
    except OSError:
        return ""
