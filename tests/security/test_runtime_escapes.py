"""Known ways out of a container through the runtime, each by its CVE: none of them leads anywhere.

The image is hostile: its files, links and configuration are an attacker's. What would show a failure is a file of
the host (a canary in the temporary directory) read or changed, a capability too many, or a mount where none belongs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.bundle import DEFAULT_CAPABILITIES, Bundle

import carrack
from carrack.linux import seccomp_profile
from carrack.linux.mount import read_mountinfo

pytestmark = pytest.mark.root


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    (tmp_path / "bundle").mkdir()
    made = Bundle(tmp_path / "bundle")
    yield made
    made.clean()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    directory = tmp_path / "canary"
    directory.mkdir()
    (directory / "file").write_text("untouched")
    return directory


def untouched(canary: Path) -> bool:
    return os.listdir(canary) == ["file"] and (canary / "file").read_text() == "untouched"


def test_cve_2019_5736_the_interpreter_cannot_be_written_from_inside(bundle: Bundle) -> None:
    """An exec of #!/proc/self/exe makes the container run our interpreter; its file must be out of reach even so."""
    digest = hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
    (bundle.rootfs / "evil").write_text("#!/proc/self/exe\n")
    (bundle.rootfs / "evil").chmod(0o755)
    container = bundle.detached("sh", "-c", WRITE_TO_FOREIGN_EXECUTABLES)
    for _ in range(6):
        bundle.command("exec", container, "/evil")
        bundle.command("exec", container, "true")
    assert hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest() == digest
    assert not (bundle.rootfs / "tmp/written").exists()


WRITE_TO_FOREIGN_EXECUTABLES = """
while true; do
  for exe in /proc/[0-9]*/exe; do
    case "$(readlink $exe)" in *busybox*|'') ;; *) (: >> $exe) 2>/dev/null && echo $exe > /tmp/written;; esac
  done
done
"""


def test_cve_2019_5736_a_sealed_executable_refuses_writes_when_its_last_user_has_gone(tmp_path: Path) -> None:
    copy = tmp_path / "python"
    shutil.copy(Path(sys.executable).resolve(), copy)
    source = Path(carrack.__file__).parent.parent
    script = f"import sys; sys.path.insert(0, {str(source)!r})\n{SEALED}"
    with subprocess.Popen([copy, "-ISEc", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        held = os.open(f"/proc/{process.pid}/exe", os.O_PATH)
        process.stdin.close()
    try:
        with pytest.raises(OSError, match="Read-only file system"):
            os.open(f"/proc/self/fd/{held}", os.O_WRONLY)
    finally:
        os.close(held)
    copy.write_bytes(b"the host itself may")


SEALED = """
from carrack.linux.syscalls import LINUX
from carrack.runtime import seal
seal.ensure_sealed(LINUX, {})
print(seal.is_sealed(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", range(3, 24, 4))
def test_cve_2024_21626_a_working_directory_through_a_leaked_descriptor(bundle: Bundle, number: int) -> None:
    leaks = [os.open("/etc", os.O_RDONLY | os.O_DIRECTORY) for _ in range(4)]
    bundle.process["cwd"] = f"/proc/self/fd/{number}"
    try:
        for fd in leaks:
            os.set_inheritable(fd, True)
        result = bundle.run("sh", "-c", "pwd; ls -d ../../../../../../../../etc/debian_version", pass_fds=leaks)
    finally:
        for fd in leaks:
            os.close(fd)
    assert result.returncode != 0
    assert "debian_version\n" not in result.stdout


def test_cve_2025_31133_masked_paths_do_not_use_the_image_s_null_device(bundle: Bundle) -> None:
    """Without a /dev of its own the image's /dev/null, a link to a kernel file, must not become a bind source."""
    (bundle.rootfs / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    said = bundle.shell("stat -c %t:%T /proc/keys /proc/interrupts")
    assert said.split() == ["1:3", "1:3"]
    bundle.spec["mounts"] = [m for m in bundle.spec["mounts"] if not m["destination"].startswith("/dev")]
    refused = bundle.run("true")
    assert refused.returncode == 1
    assert "something that is not this device is in the way: /dev/null" in refused.stderr


def test_cve_2025_52565_the_console_is_a_terminal_of_the_container_s_own_devpts(bundle: Bundle, canary: Path) -> None:
    bundle.process["terminal"] = True
    (bundle.rootfs / "dev/console").symlink_to(canary / "file")
    assert bundle.shell("tty; stat -c %t /dev/console").split() == ["/dev/pts/0", "88"]
    bundle.spec["mounts"] = [m for m in bundle.spec["mounts"] if not m["destination"].startswith("/dev/pts")]
    refused = bundle.run("true")
    assert refused.returncode == 1
    assert "/dev/pts" in refused.stderr
    assert untouched(canary)


@pytest.mark.parametrize(
    "destination", ["/proc", "/proc/sys", "/proc/self", "/proc/self/attr", "/proc/sys/kernel", "/way"]
)
def test_cve_2025_52881_nothing_is_mounted_over_procfs(bundle: Bundle, canary: Path, destination: str) -> None:
    (bundle.rootfs / "way").symlink_to("/proc/self")
    options = {"type": "bind", "source": str(canary), "options": ["rbind"]}
    bundle.spec["mounts"].append({"destination": destination, **options})
    refused = bundle.run("true")
    assert refused.returncode == 1
    assert "proc" in refused.stderr
    assert untouched(canary)


def test_cve_2019_19921_procfs_goes_on_a_real_directory_only(bundle: Bundle, canary: Path) -> None:
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "proc").symlink_to(canary)
    refused = bundle.run("true")
    assert refused.returncode == 1
    assert "must be mounted on an ordinary directory" in refused.stderr
    assert untouched(canary)


@pytest.mark.parametrize("target", ["/../../../../../..", ""])
def test_cve_2026_41579_a_linked_dev_touches_no_host_directory(bundle: Bundle, canary: Path, target: str) -> None:
    (bundle.rootfs / "dev").rmdir()
    (bundle.rootfs / "dev").symlink_to(f"{target}{canary}")
    bundle.spec["mounts"] = [m for m in bundle.spec["mounts"] if not m["destination"].startswith("/dev")]
    bundle.run("true")
    assert untouched(canary)


def test_cve_2021_30465_mount_points_that_change_under_way_stay_inside(bundle: Bundle, canary: Path) -> None:
    """A racer swaps a directory for a link to the host while we mount below it."""
    volume = bundle.directory / "volume"
    (volume / "way").mkdir(parents=True)
    (volume / "link").symlink_to(canary)
    racer = subprocess.Popen([sys.executable, "-c", EXCHANGE, str(volume / "way"), str(volume / "link")])
    bundle.spec["mounts"] += [
        {"destination": "/volume", "type": "bind", "source": str(volume), "options": ["rbind"]},
        {"destination": "/volume/way/point", "type": "tmpfs", "source": "tmpfs"},
    ]
    try:
        for _ in range(12):
            result = bundle.run("cat", "/proc/self/mountinfo")
            points = [m.mount_point for m in read_mountinfo(result.stdout)] if result.returncode == 0 else []
            assert not any("canary" in point for point in points)
    finally:
        racer.kill()
        racer.wait()
    assert untouched(canary)


EXCHANGE = """
import sys
import carrack
from carrack.linux.mount import AT_FDCWD
from carrack.linux.syscalls import LINUX
while True:
    LINUX.renameat2(AT_FDCWD, sys.argv[1], AT_FDCWD, sys.argv[2], 2)
"""


def test_cve_2024_45310_mount_points_are_never_made_outside(bundle: Bundle, canary: Path) -> None:
    (bundle.rootfs / "out").symlink_to(canary)
    (bundle.rootfs / "up").symlink_to("../../../../../../../.." + str(canary))
    for name in ("out", "up"):
        destination = f"/{name}/made"
        bundle.spec["mounts"].append(
            {"destination": destination, "type": "bind", "source": "/etc/hostname", "options": ["bind"]}
        )
    bundle.run("true")
    assert untouched(canary)


def test_cve_2022_0492_no_release_agent_can_be_set(bundle: Bundle) -> None:
    script = (
        "for f in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/notify_on_release; do"
        " echo /x 2>/dev/null > $f && echo wrote $f; done; mount -t cgroup -o memory none /tmp 2>&1 || true"
    )
    said = bundle.shell(script)
    assert "wrote" not in said
    assert "ermission denied" in said or "not permitted" in said


def test_cve_2022_0185_no_user_namespace_and_no_mount_under_the_default_filter(bundle: Bundle) -> None:
    version = seccomp_profile.kernel_version(os.uname().release)
    bundle.linux["seccomp"] = seccomp_profile.resolve(
        seccomp_profile.default_profile(), frozenset(DEFAULT_CAPABILITIES), os.uname().machine, version
    )
    script = "unshare -U true; echo $?; unshare -m true; echo $?; mount -t tmpfs x /tmp; echo $?; mkdir /tmp/fine"
    result = bundle.run("sh", "-c", script)
    assert result.stdout.split() == ["1", "1", "1"]
    assert result.stderr.count("Operation not permitted") + result.stderr.count("ermission denied") == 3


def test_cve_2022_24769_inheritable_capabilities_stay_empty(bundle: Bundle) -> None:
    container = bundle.detached("sleep", "60")
    said = bundle.command("exec", "-c", "CAP_SYS_ADMIN", container, "grep", "-E", "CapInh|CapAmb", "/proc/self/status")
    assert said.stdout.split() == ["CapInh:", "0" * 16, "CapAmb:", "0" * 16]


def test_cve_2022_36109_negative_group_permissions_count(bundle: Bundle) -> None:
    (bundle.rootfs / "closed").write_text("secret")
    (bundle.rootfs / "closed").chmod(0o704)
    os.chown(bundle.rootfs / "closed", 0, 77)
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [77]}
    refused = bundle.run("cat", "/closed")
    assert refused.returncode == 1
    assert "Permission denied" in refused.stderr
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert bundle.shell("id -G; cat /closed").split() == ["1000", "secret"]


def test_cve_2016_9962_what_enters_by_exec_cannot_be_traced_by_its_siblings(bundle: Bundle) -> None:
    """The container's own processes see no descriptor of a process that is about to execute in it."""
    script = "while true; do for fd in /proc/[0-9]*/fd/[3-9]; do readlink $fd; done; done > /tmp/seen 2>/dev/null"
    container = bundle.detached("sh", "-c", script)
    for _ in range(6):
        assert bundle.command("exec", container, "true").returncode == 0
    bundle.command("kill", container, "KILL")
    seen = (bundle.rootfs / "tmp/seen").read_text()
    assert "socket:" not in seen
    assert "/carrack" not in seen
