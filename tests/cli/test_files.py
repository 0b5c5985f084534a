"""``cp`` in both directions."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.cli.running import Cli, eventually

pytestmark = pytest.mark.root


@pytest.fixture
def box(cli: Cli, image: str) -> str:
    cli(
        "run", "-d", "--name", "files", image, "sh", "-c", "mkdir -p /src/d; echo f > /src/f; ln -s f /src/l; sleep 100"
    )
    cli("exec", "files", "sh", "-c", "until [ -L /src/l ]; do sleep 0.01; done")
    return "files"


def test_into_a_container(cli: Cli, box: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "f").write_text("one\n")
    (tree / "f").chmod(0o640)
    (tree / "l").symlink_to("f")
    cli("cp", str(tree), f"{box}:/tmp")
    cli("cp", str(tree), f"{box}:/tmp/renamed")
    cli("cp", f"{tree}/.", f"{box}:/tmp")
    cli("cp", str(tree / "f"), f"{box}:/tmp/other")
    script = "cd /tmp; stat -c '%a' tree/f; readlink renamed/l; cat f other; ls -d renamed/d"
    assert cli("exec", box, "sh", "-c", script).stdout == "640\nf\none\none\nrenamed/d\n"


@pytest.mark.census("cp --follow-link")
def test_out_of_a_container(cli: Cli, box: str, tmp_path: Path) -> None:
    cli("cp", f"{box}:/src", str(tmp_path))
    cli("cp", f"{box}:/src", str(tmp_path / "renamed"))
    cli("cp", f"{box}:/src/.", str(tmp_path / "contents"))
    cli("cp", f"{box}:/src/f", str(tmp_path / "file"))
    cli("cp", "-L", f"{box}:/src/l", str(tmp_path / "followed"))
    cli("cp", f"{box}:/src/l", str(tmp_path / "link"))
    for name in ("src", "renamed", "contents"):
        assert sorted(os.listdir(tmp_path / name)) == ["d", "f", "l"]
    assert (tmp_path / "file").read_text() == (tmp_path / "followed").read_text() == "f\n"
    assert os.readlink(tmp_path / "link") == "f"
    assert not (tmp_path / "followed").is_symlink()


@pytest.mark.census("cp --archive", "cp --quiet")
def test_whose_a_copy_is_and_what_is_said_of_it(cli: Cli, image: str, tmp_path: Path) -> None:
    """With Docker it belongs to the container's user then, and else to whom it belonged before."""
    (tmp_path / "f").write_text("one\n")
    os.chown(tmp_path / "f", 1234, 77)
    cli("run", "-d", "--name", "others", "-u", "nobody", image, "sleep", "100")
    for words, owner, told in ([], "1234:77", True), (["-a"], "65534:65534", True), (["-q"], "1234:77", False):
        output, code = cli.on_terminal(["cp", *words, str(tmp_path / "f"), "others:/tmp/f"], [])
        assert (code, b"Successfully copied" in output) == (0, told)
        assert cli("exec", "others", "stat", "-c", "%u:%g", "/tmp/f").stdout == owner + "\n"


def test_streams(cli: Cli, box: str) -> None:
    data = cli.raw("cp", f"{box}:/src/f", "-")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["f"]
    cli("cp", "-", f"{box}:/root", stdin=data)
    assert cli("exec", box, "cat", "/root/f").stdout == "f\n"


def test_a_stopped_container(cli: Cli, image: str, tmp_path: Path) -> None:
    cli("create", "--name", "still", image, "cat", "/given")
    (tmp_path / "given").write_text("given\n")
    cli("cp", str(tmp_path / "given"), "still:/given")
    assert cli("start", "-a", "still").stdout == "given\n"


@pytest.mark.docker_28
def test_refusals(cli: Cli, box: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for words, message in (
        (["a", "b"], "must specify at least one container source"),
        (["a:/x", "b:/y"], "copying between containers is not supported"),
        ([f"{tmp_path}/none", f"{box}:/"], "no such file or directory"),
        ([f"{box}:/none", str(tmp_path)], "Could not find the file /none in container"),
        ([f"{tmp_path}/d", f"{box}:/src/f"], "cannot copy directory"),
        (["nosuch:/a", str(tmp_path)], "No such container: nosuch"),
        ([f"{box}:/src/f", f"{tmp_path}/none/"], "no such directory|does not exist"),
    ):
        done = cli("cp", *words, check=False)
        assert done.returncode == 1, words
        assert any(each in done.stderr for each in message.split("|")), done.stderr


def test_a_link_does_not_lead_out(cli: Cli, box: str, tmp_path: Path) -> None:
    """CVE-2018-15664: a path through a link is resolved inside the container's root."""
    cli("exec", box, "ln", "-s", "/etc", "/tmp/way")
    (tmp_path / "mark").write_text("mark\n")
    cli("cp", str(tmp_path / "mark"), f"{box}:/tmp/way")
    assert cli("exec", box, "cat", "/etc/mark").stdout == "mark\n"
    assert not os.path.exists("/etc/mark")


def test_an_export_has_nothing_of_what_is_mounted(docker: Cli, image: str) -> None:
    script = "touch /data/f /scratch/f /mine; exec sleep 100"
    docker("run", "-d", "--name", "box", "-v", "data:/data", "--tmpfs", "/scratch", image, "sh", "-c", script)
    eventually(lambda: docker("exec", "box", "test", "-e", "/mine", check=False).returncode == 0)
    for _ in ("running", "stopped"):
        with tarfile.open(fileobj=io.BytesIO(docker.raw("export", "box"))) as archive:
            names = archive.getnames()
            assert {"data", "scratch", "mine", "dev"} <= set(names)
            assert not {"data/f", "scratch/f", "dev/null"} & set(names)
            assert archive.getmember("etc/hosts").size == 0
        docker("stop", "-t", "0", "box")
    docker("rm", "box")
    docker("volume", "rm", "data")


def test_the_root_of_a_stopped_containers_volume_has_its_name(docker: Cli, image: str, tmp_path: Path) -> None:
    docker("run", "--name", "box", "-v", "/data", image, "touch", "/data/f")
    with tarfile.open(fileobj=io.BytesIO(docker.raw("cp", "box:/data", "-"))) as archive:
        assert [name.strip("/") for name in archive.getnames()] == ["data", "data/f"]
    docker("cp", "box:/data", str(tmp_path / "out"))
    docker("cp", "box:/data/.", str(tmp_path / "inner"))
    assert [path.name for path in (*(tmp_path / "out").iterdir(), *(tmp_path / "inner").iterdir())] == ["f", "f"]
