"""Where the kernel enforces an SELinux policy (``scripts/test v2``): who has which label, and that it holds.

The policy is tests/guest/selinux.conf: a container_t touches files of container_file_t with no categories but its own.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess

from carrack.linux import selinux

CURRENT = "/proc/self/attr/current"
OWN = re.compile(r"system_u:system_r:container_t:(s0:c\d+,c\d+)")
FREE = "system_u:object_r:container_file_t:s0:c1022,c1023"
SHARED = "system_u:object_r:container_file_t:s0"
HOST = "system_u:system_r:host_t:s0"
LABELS = "{{.ProcessLabel}} {{.MountLabel}} {{json .HostConfig.SecurityOpt}}"
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not selinux.enabled(), reason="this kernel enforces no SELinux policy (scripts/test v2)"),
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path_factory.mktemp("selinux"), "--selinux-enabled")
    try:
        process.start()
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def image(daemon: DaemonProcess) -> str:
    archive = root_file_system()
    assert archive is not None
    CommandLine("carrack", daemon)(*IMPORT, stdin=archive)
    return IMAGE


@pytest.fixture(scope="module")
def docker(daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    command = CommandLine("docker" if shutil.which("docker") else "carrack", daemon)
    command("run", "-d", "--name", "usual", "--tmpfs", "/scratch", "-v", "/made", image, "sleep", "10000")
    yield command
    command("rm", "-fv", *command("ps", "-aq").stdout.split())
    command("volume", "prune", "-af")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/file").write_text("here\n")
    (tmp_path / "link").symlink_to("/etc/passwd")
    return tmp_path


def _inspect(docker: Cli, name: str, what: str) -> str:
    return docker("inspect", "-f", what, name).stdout.strip()


@pytest.mark.census("dockerd --selinux-enabled", "daemon.json selinux-enabled")
def test_a_container_and_its_files_have_a_level_of_their_own(docker: Cli) -> None:
    process, mount, options = _inspect(docker, "usual", LABELS).split(" ")
    found = OWN.fullmatch(process)
    assert found, process
    assert mount == f"system_u:object_r:container_file_t:{found[1]}"
    assert options == "null"
    inside = docker("exec", "usual", "sh", "-c", f"cat {CURRENT} /proc/1/attr/current; ls /sys/fs/selinux").stdout
    assert inside.split("\0") == [process, process, ""] or inside.split() == [process, process], inside
    root = f"/proc/{_inspect(docker, 'usual', '{{.State.Pid}}')}/root"
    for path in "/ /bin /dev /dev/null /dev/pts /dev/shm /dev/mqueue /scratch /etc/hosts /etc/resolv.conf".split():
        assert selinux.label_of(f"{root}{path}/." if path == "/" else root + path) == mount, path
    assert selinux.label_of(f"{root}/made") == SHARED
    assert selinux.label_of(f"{root}/proc/version") == "system_u:object_r:pseudo_t:s0"
    assert "name=selinux" in json.loads(docker("info", "-f", "{{json .SecurityOptions}}").stdout)


@pytest.mark.census(*(f"security-opt label={kind}" for kind in ("user:", "role:", "type:", "level:")))
def test_each_part_can_be_chosen(docker: Cli, image: str) -> None:
    parts = ("user:special_u", "role:special_r", "type:special_t", "level:s0:c5,c6", "filetype:special_file_t")
    options = [word for part in parts for word in ("--security-opt", f"label={part}")]
    done = docker("run", "--name", "chosen", *options, image, "sh", "-c", f"cat {CURRENT}; echo > /f && cat /f")
    assert done.stdout.startswith("special_u:special_r:special_t:s0:c5,c6")
    mount = _inspect(docker, "chosen", "{{.MountLabel}}")
    assert mount == "special_u:object_r:special_file_t:s0:c5,c6"
    refused = docker("create", "--security-opt", "label=colour:red", image, check=False)
    assert "bad label option" in refused.stderr


@pytest.mark.census("security-opt label=disable", "security-opt label=nested")
def test_who_has_no_label_and_who_shares_one(docker: Cli, image: str) -> None:
    assert docker("run", "--name", "lord", "--privileged", image, "cat", CURRENT).stdout.startswith(HOST)
    docker("create", "--name", "host", "--pid=host", image)
    docker("create", "--name", "free", "--security-opt=label=disable", image)
    *free, usual = docker("inspect", "-f", LABELS, "lord", "host", "free", "usual").stdout.splitlines()
    assert free == [f' {FREE} ["label=disable"]'] * 3
    label = usual.partition(" ")[0]
    assert docker("run", "--rm", "--pid=container:usual", image, "cat", CURRENT).stdout.startswith(label)
    look = docker("run", "--rm", "--security-opt", "label=nested", image, "cat", "/sys/fs/selinux/enforce", CURRENT)
    assert OWN.match(look.stdout.removeprefix("1"))


@pytest.mark.census("mount flag z", "mount flag Z")
def test_files_are_out_of_reach_until_they_are_labelled(docker: Cli, image: str, folder: Path) -> None:
    read = ["cat", "/x/below/file"]
    assert "denied" in docker("run", "--rm", "-v", f"{folder}:/x", image, *read, check=False).stderr
    docker("run", "-d", "--name", "owner", "-v", f"{folder}:/x:Z", image, "sleep", "10000")
    mount = _inspect(docker, "owner", "{{.MountLabel}}")
    assert docker("exec", "owner", "sh", "-c", "echo more >> /x/below/file; cat /x/below/file").stdout == "here\nmore\n"
    assert {selinux.label_of(str(path)) for path in (folder, *folder.glob("**/*"))} == {mount}
    assert selinux.label_of("/etc/passwd") != mount
    assert "denied" in docker("run", "--rm", "-v", f"{folder}:/x", image, *read, check=False).stderr
    assert docker("run", "--rm", "-v", f"{folder}:/x:z", image, *read).stdout == "here\nmore\n"
    assert selinux.label_of(str(folder / "below/file")) == SHARED
    refused = docker("run", "--rm", "-v", "/bin:/x:z", image, "true", check=False)
    assert re.search("SELinux relabeling of (/usr)?/bin is not allowed", refused.stderr)


def test_volumes_are_shared_and_what_a_container_writes_has_no_label_in_images(docker: Cli, image: str) -> None:
    script = "mkdir /x/d; echo shared > /x/d/f; echo own > /f"
    docker("run", "--name", "writer", "-v", "shared:/x", image, "sh", "-c", script)
    docker("commit", "writer", "written")
    assert docker("run", "--rm", "-v", "shared:/x:ro", "written", "cat", "/x/d/f", "/f").stdout == "shared\nown\n"


def test_the_runtime_alone_obeys_a_spec(tmp_path: Path) -> None:
    level = "s0:c7,c8"
    with subprocess.Popen(["tar", "-xC", str(tmp_path)], stdin=subprocess.PIPE) as tar:
        tar.communicate(root_file_system())
    selinux.relabel(str(tmp_path), f"system_u:object_r:container_file_t:{level}")
    spec = {
        "ociVersion": "1.0.2",
        "root": {"path": str(tmp_path)},
        "process": {
            "args": ["sh", "-c", f"cat {CURRENT}; echo > /dev/f && echo written"],
            "cwd": "/",
            "env": ["PATH=/bin"],
            "selinuxLabel": f"system_u:system_r:container_t:{level}",
        },
        "mounts": [{"destination": "/proc", "type": "proc"}, {"destination": "/dev", "type": "tmpfs"}],
        "linux": {
            "namespaces": [{"type": "mount"}, {"type": "pid"}],
            "mountLabel": f"system_u:object_r:container_file_t:{level}",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(spec))
    words = ["--root", str(tmp_path / "state"), "run", "--bundle", str(tmp_path), "crk-selinux"]
    command = "import sys; from carrack.runtime.main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", command, *words], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"system_u:system_r:container_t:{level}"), done.stderr
    assert done.stdout.endswith("written\n")
