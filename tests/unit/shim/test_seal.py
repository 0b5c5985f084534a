import os
import sys
from pathlib import Path

from tests.fakes.kernel import FakeKernel

from carrack.linux.mount import MOUNT_ATTR_RDONLY, MS_BIND, MS_REC, MS_SLAVE
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.shim import seal

MAPS = """\
55d0-55d1 r-xp 00000000 fe:00 1 /opt/py/bin/python3.11
7f00-7f01 r-xp 00000000 fe:00 2 /opt/py/lib/python3.11/lib-dynload/_socket.so
7f02-7f03 r-xp 00000000 fe:00 3 /lib/libc.so.6
7f04-7f05 rw-p 00000000 00:00 0 [heap]
7f06-7f07 rw-s 00000000 00:01 9 /memfd:x (deleted)
7f08-7f09 r-xp 00000000 fe:00 4 /lib/with space.so
"""


def test_what_is_mapped_and_what_may_be_imported_is_sealed() -> None:
    paths = seal.sealed_paths(MAPS, "/opt/py/bin/python3.11", ["/opt/py/lib/python3.11/site", "/opt/py/lib/python3.11"])
    assert paths == ["/opt/py/lib/python3.11", "/lib/libc.so.6", "/lib/with space.so", "/opt/py/bin/python3.11"]


def test_a_directory_is_not_taken_for_one_whose_name_it_begins() -> None:
    assert seal.sealed_paths("", "/a/bin", ["/a/bi"]) == ["/a/bi", "/a/bin"]


def test_sealing_happens_in_a_namespace_of_its_own_and_nothing_goes_back() -> None:
    kernel = FakeKernel()
    seal.seal(kernel, ["/a", "/b"])
    assert kernel.calls[0][:2] == ("unshare", CLONE_NEWNS)
    mounts = kernel.named("mount")
    assert mounts[0][1:5] == (None, "/", None, MS_REC | MS_SLAVE)
    assert [call[1:5] for call in mounts[1:]] == [(path, path, None, MS_BIND | MS_REC) for path in ("/a", "/b")]
    assert len(kernel.named("mount_setattr")) == 2
    assert all(
        MOUNT_ATTR_RDONLY in call or str(MOUNT_ATTR_RDONLY) in str(call) for call in kernel.named("mount_setattr")
    )


def test_mounts_below_the_run_directory_are_not_kept_alive(tmp_path: Path) -> None:
    run = os.path.realpath(tmp_path)
    lines = [
        f"{number} 1 0:{number} / {path} rw - tmpfs tmpfs rw\n"
        for number, path in enumerate(("/", run, f"{run}/a", f"{run}/a/b", f"{run}x"))
    ]
    kernel = FakeKernel()
    seal.forget_mounts(kernel, "".join(lines), str(tmp_path))
    assert [call[1] for call in kernel.named("umount")] == [f"{run}/a/b", f"{run}/a"]


def test_a_virtual_environment_leads_to_the_interpreters_own_file(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert seal.interpreter(str(link)) == os.path.realpath(sys.executable)
    assert not os.path.islink(seal.interpreter(sys.executable))
