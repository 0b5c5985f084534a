"""CVE-2025-52565: /dev/pts/N or /dev/console is a link, and the console's bind mount lands on, or shows, another file.

A runtime that binds "/dev/pts/0 of the container" on "/dev/console of the container" by name is misled on either side:
the first test does so and sees the victim shown as the console. Ours takes both ends of the terminal from the devpts
mount by descriptor, and puts it on a file that it made.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.fakes.bundle import Bundle
from tests.fakes.sandbox import run_apart
from tests.security import evil
from tests.security.racer import exchanging

from carrack.linux.mount import MS_BIND
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root

LOOK = (
    "tty; stat -Lc '%F %t' /dev/console; for what in /dev/console canary; do grep -c $what /proc/self/mountinfo; done"
)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    directory = tmp_path / "canary"
    directory.mkdir()
    (directory / "0").write_text("the host's")
    return directory


def test_the_attack_works_on_a_runtime_that_binds_by_name(canary: Path, tmp_path: Path) -> None:
    dev = tmp_path / "dev"
    dev.mkdir()
    (dev / "pts").symlink_to(canary)
    (dev / "console").touch()

    def work() -> None:
        LINUX.mount(str(dev / "pts/0"), str(dev / "console"), None, MS_BIND)
        (dev / "console").write_text("overwritten")

    run_apart(work, CLONE_NEWNS)
    assert (canary / "0").read_text() == "overwritten"


def test_a_dev_of_the_image_s_own(canary: Path, tmp_path: Path) -> None:
    """No tmpfs covers it: the runtime itself must neither follow a link at /dev/console nor at /dev/pts."""
    for name, target, words in (
        ("console", canary / "0", "a symbolic link is in the way of a device"),
        ("pts", canary, "Too many levels of symbolic links: /dev/pts"),
    ):
        (tmp_path / name).mkdir()
        bundle = Bundle(tmp_path / name)
        places = ("/dev", "/dev/shm", "/dev/mqueue", *["/dev/pts"] * (name == "pts"))
        bundle.spec["mounts"] = [mount for mount in bundle.spec["mounts"] if mount["destination"] not in places]
        (bundle.rootfs / "dev" / name).symlink_to(target)
        bundle.process["terminal"] = True
        refused = bundle.run("true")
        bundle.clean()
        assert refused.returncode == 1
        assert words in refused.stderr
    assert (canary / "0").read_text() == "the host's"


def test_an_image_whose_console_and_pts_are_links(docker: Cli, image: str, canary: Path) -> None:
    for name, target in (("console", f"{canary}/0"), ("pts", str(canary))):
        with evil.image(docker, "evil-console", evil.link(f"dev/{name}", target)) as made:
            said = docker("run", "--rm", "-t", made, "sh", "-c", LOOK, check=False).stdout.split("\r\n")
        assert said == ["/dev/pts/0", "character special file 88", "1", "0", ""]
    assert (canary / "0").read_text() == "the host's"


def test_a_volume_on_dev_with_a_sibling_that_exchanges_pts(
    docker: Cli, image: str, canary: Path, tmp_path: Path
) -> None:
    dev = tmp_path / "dev"
    (dev / "pts").mkdir(parents=True)
    (dev / "console").symlink_to(canary / "0")
    (dev / "other").symlink_to(canary)
    with exchanging(dev / "pts", dev / "other"):
        for _ in range(6):
            done = docker(
                "run", "--rm", "-t", "-v", f"{dev}:/dev", image, "sh", "-c", "echo x > /dev/console", check=False
            )
            assert done.returncode != 0
    assert (canary / "0").read_text() == "the host's"
    assert os.listdir(canary) == ["0"]


def test_a_terminal_for_a_further_process_after_the_container_has_replaced_pts(docker: Cli, image: str) -> None:
    """With CAP_SYS_ADMIN inside, all of /dev can be replaced between the start and the exec."""
    replace = (
        "mount -t tmpfs x /dev && mkdir /dev/pts && mknod /dev/pts/ptmx c 5 2 && mknod /dev/ptmx c 5 2; sleep 1000"
    )
    docker("run", "-d", "--name", "replaced", "--privileged", image, "sh", "-c", replace)
    try:
        docker("exec", "replaced", "sh", "-c", "until [ -e /dev/ptmx ] && [ ! -e /dev/null ]; do sleep 0.05; done")
        refused = docker("exec", "-t", "replaced", "tty", check=False)
        assert refused.returncode != 0
        assert "a terminal needs a devpts of the container's own" in refused.stdout + refused.stderr
    finally:
        docker("rm", "-f", "replaced")
