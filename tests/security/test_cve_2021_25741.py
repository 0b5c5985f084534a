"""CVE-2021-25741: the part of a volume that a container asks for is exchanged for a link to the host meanwhile.

A program that joins the volume's directory and the part to a path, checks it, and mounts the path, mounts the host's
directory in the end. The first test does the second half of that and sees it succeed. Ours has the kernel resolve the
part below the volume's descriptor, and mounts the descriptor; so for images.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.security import evil
from tests.security.racer import exchanging

pytestmark = pytest.mark.root


@pytest.fixture
def prize(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "secret").write_text("secret\n")
    return tmp_path / "host"


def test_a_joined_path_leads_out(prize: Path, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "part").symlink_to(prize)
    assert os.listdir(os.path.join(tmp_path / "volume", "part")) == ["secret"]


def test_links_in_volumes_do_not_lead_out(docker: Cli, image: str, prize: Path) -> None:
    links = {"abs": f"{prize}", "up": f"../../../../../../../../..{prize}", "chain": "abs", "proc": "/proc/1/root"}
    make = "; ".join(f"ln -s {target} /v/{name}" for name, target in links.items())
    docker("run", "--rm", "--network", "none", "-v", "vol:/v", image, "sh", "-c", make)
    for part in ("abs", "up", "chain", "proc", "abs/secret", "proc/etc"):
        how = f"type=volume,src=vol,dst=/m,volume-subpath={part}"
        done = docker("run", "--rm", "--network", "none", "--mount", how, image, "ls", "/m", check=False)
        assert done.returncode == 125
        assert "path concatenation escapes the base directory" in done.stderr


def test_links_in_images_do_not_lead_out(docker: Cli, image: str, prize: Path) -> None:
    links = [
        evil.link("abs", str(prize)),
        evil.link("up", f"../../../../../..{prize}"),
        evil.link("proc", "/proc/1/root"),
    ]
    with evil.image(docker, "evil", *links) as name:
        for part in ("abs", "up", "proc"):
            how = f"type=image,src={name},dst=/m,image-subpath={part}"
            done = docker("run", "--rm", "--network", "none", "--mount", how, image, "ls", "/m", check=False)
            assert done.returncode == 125
            assert "path concatenation escapes the base directory" in done.stderr


def test_with_a_sibling_that_exchanges_it(docker: Cli, image: str, prize: Path) -> None:
    """Started again and again, the container sees its part or does not start."""
    docker("run", "--rm", "--network", "none", "-v", "vol:/v", image, "sh", "-c", "mkdir /v/part && touch /v/part/own")
    volume = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", "vol").stdout.strip())
    (volume / "link").symlink_to(prize)
    how = "type=volume,src=vol,dst=/m,volume-subpath=part"
    docker("create", "--name", "one", "--network", "none", "--mount", how, image, "ls", "/m")
    seen, refused = set(), 0
    with exchanging(volume / "part", volume / "link"):
        for _ in range(15):
            done = docker("start", "-a", "one", check=False)
            seen.add(done.stdout)
            refused += "escapes the base directory" in done.stderr
    assert seen <= {"own\n", ""}
    assert (seen - {""} != set(), refused > 0) != (False, False)
