"""CVE-2022-36109 and CVE-2023-25173: supplementary groups of the container's user were not set up (or the daemon's were
kept), so that files closed to a group ("others may, this group may not") were open to its members.

The group file is the image's. A member is refused; who is not, or names a group and so has no supplementary ones
(Docker's rule), reads: were groups not set, both would read, and the first assertion fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.security import evil

pytestmark = pytest.mark.root

ASK = "id -G; cat /closed/file 2>&1"


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A volume with a file that group 50 (staff, with nobody in it) may not read and all others may."""
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o755)
    (directory / "file").write_text("secret\n")
    (directory / "file").chmod(0o704)
    os.chown(directory / "file", 0, 50)
    return directory


@pytest.mark.parametrize(
    ("options", "groups", "reads"),
    [
        (["--user", "nobody"], "65534 50", False),
        (["--user", "65534"], "65534 50", False),
        (["--user", "nobody:nogroup"], "65534", True),
        (["--user", "65534:65534"], "65534", True),
        (["--user", "1000"], "0", True),
        (["--user", "1000", "--group-add", "staff"], "0 50", False),
        (["--user", "1000", "--group-add", "50"], "0 50", False),
        (["--user", "nobody:nogroup", "--group-add", "staff"], "65534 50", False),
    ],
)
def test_groups_of_a_user(docker: Cli, image: str, closed: Path, options: list[str], groups: str, reads: bool) -> None:
    said = docker("run", "--rm", "-v", f"{closed}:/closed", *options, image, "sh", "-c", ASK, check=False).stdout
    assert said.splitlines()[0] == groups
    assert ("secret" in said) is reads


def test_groups_of_an_image_s_user_and_of_further_processes(docker: Cli, image: str, closed: Path) -> None:
    with evil.image(docker, "groups", changes=("USER nobody",)) as made:
        name = docker("run", "-d", "-v", f"{closed}:/closed", made, "sleep", "1000").stdout.strip()
        try:
            for options in ([], ["--user", "nobody"]):
                said = docker("exec", *options, name, "sh", "-c", ASK, check=False).stdout.splitlines()
                assert said == ["65534 50", "cat: can't open '/closed/file': Permission denied"]
        finally:
            docker("rm", "-f", name)


def test_the_daemon_s_own_groups_are_not_passed_on(docker: Cli, image: str) -> None:
    before = os.getgroups()
    status = docker("run", "--rm", "--user", "1000:1000", image, "grep", "Groups", "/proc/self/status").stdout
    assert status.split() == ["Groups:", "1000"]
    assert os.getgroups() == before
