"""Images: from archives and containers, to archives, and their names."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.cli.running import Cli, api

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _only_the_base_stays(cli: Cli, image: str) -> Iterator[None]:
    yield
    for each in cli("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").stdout.splitlines():
        name, identity = each.split()
        if name != image:
            cli("rmi", "-f", identity if "<none>" in name else name, check=False)


@pytest.mark.docker_28
def test_list(cli: Cli, image: str) -> None:
    lines = cli("images").stdout.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert lines[1].split()[:2] == image.split(":")
    assert cli("images", "nosuch", "-q").stdout == ""
    assert cli("images", "busy*", "--format", "{{.Repository}}").stdout == "busybox\n"
    assert json.loads(cli("image", "ls", "--format", "json").stdout)["Tag"] == "latest"


@pytest.mark.census("image rmi untag/force/no-prune/platform")
@pytest.mark.docker_28
def test_tag_and_remove(cli: Cli, image: str) -> None:
    cli("tag", image, "other:2")
    assert cli("inspect", "-f", "{{.Id}}", "other:2").stdout == cli("inspect", "-f", "{{.Id}}", image).stdout
    assert cli("rmi", "other:2").stdout == "Untagged: other:2\n"
    gone = cli("rmi", "other:2", check=False)
    assert (gone.returncode, gone.stderr) == (1, "Error response from daemon: No such image: other:2\n")
    wrong = cli("tag", image, "Bad Name", check=False)
    assert wrong.returncode == 1


def test_an_image_in_use_stays(cli: Cli, image: str) -> None:
    cli("create", "--name", "user", image)
    refused = cli("rmi", image, check=False)
    assert refused.returncode == 1
    assert "conflict" in refused.stderr
    assert "is using" in refused.stderr


@pytest.mark.census("image commit + --change/--pause")
def test_commit(cli: Cli, image: str) -> None:
    cli("run", "--name", "work", image, "sh", "-c", "echo made > /made")
    words = ["-m", "why", "-a", "me", "-c", 'CMD ["cat", "/made"]', "-c", "ENV K=V", "work", "mine:1"]
    assert cli("commit", *words).stdout.startswith("sha256:")
    assert cli("run", "--rm", "mine:1").stdout == "made\n"
    assert cli("run", "--rm", "mine:1", "sh", "-c", "echo $K").stdout == "V\n"
    first = cli("history", "--format", "{{.Comment}}", "mine:1").stdout.splitlines()[0]
    assert first == "why"
    assert len(cli("history", "-q", "--no-trunc", "mine:1").stdout.splitlines()) >= 2
    removed = cli("rmi", "-f", "mine:1").stdout.splitlines()
    assert removed[0] == "Untagged: mine:1"
    assert any(line.startswith("Deleted: sha256:") for line in removed[1:])


@pytest.mark.census("image save/load docker-archive", "image save/load OCI layout")
def test_save_and_load(cli: Cli, image: str, tmp_path: Path) -> None:
    cli("run", "--name", "work", image, "sh", "-c", "echo kept > /kept")
    before = cli("commit", "-c", 'CMD ["cat", "/kept"]', "work", "saved:1").stdout
    cli("rm", "work")
    path = tmp_path / "saved.tar"
    cli("save", "-o", str(path), "saved:1")
    assert cli.raw("save", "saved:1")[:100] != b""
    with tarfile.open(path) as archive:
        assert "manifest.json" in archive.getnames()
    cli("rmi", "saved:1")
    assert "Loaded image: saved:1" in cli("load", "-i", str(path)).stdout
    assert cli("inspect", "-f", "{{.Id}}", "saved:1").stdout == before
    assert cli("run", "--rm", "saved:1").stdout == "kept\n"
    cli("rmi", "saved:1")
    assert "Loaded image: saved:1" in cli("load", stdin=path.read_bytes()).stdout
    broken = cli("load", stdin=b"this is no archive", check=False)
    assert broken.returncode == 1


def test_export_and_import(cli: Cli, image: str, tmp_path: Path) -> None:
    cli("run", "--name", "flat", image, "sh", "-c", "echo flat > /flat")
    path = tmp_path / "flat.tar"
    cli("export", "-o", str(path), "flat")
    with tarfile.open(path) as archive:
        assert "flat" in archive.getnames()
    data = cli.raw("export", "flat")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "bin/busybox" in archive.getnames()
    assert "sha256:" in cli("import", "-c", 'CMD ["cat", "/flat"]', "-m", "note", str(path), "flat:1").stdout
    assert cli("run", "--rm", "flat:1").stdout == "flat\n"


@pytest.mark.census("image import --platform")
def test_a_platform_is_said_of_what_is_imported(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty.tar").write_bytes(bytes(10240))
    for wanted, told in (("linux/arm64", "arm64 "), ("linux/arm/v6", "arm v6")):
        cli("import", "--platform", wanted, str(tmp_path / "empty.tar"), "foreign:1")
        assert cli("inspect", "-f", "{{.Architecture}} {{.Variant}}", "foreign:1").stdout == told + "\n"
        cli("rmi", "foreign:1")


@pytest.mark.census("image dangling", "filter /images/prune dangling")
def test_prune(cli: Cli, image: str) -> None:
    cli("create", "--name", "base", image)
    cli("commit", "base")
    cli("rm", "base")
    assert cli("images", "-f", "dangling=true", "-q").stdout.count("\n") == 1
    assert "Total reclaimed space" in cli("image", "prune", "-f").stdout
    assert cli("images", "-f", "dangling=true", "-q").stdout == ""
    assert image in cli("images", "--format", "{{.Repository}}:{{.Tag}}").stdout


@pytest.mark.census("POST /images/prune?filters", "POST /images/prune → ImagesDeleted[].Untagged",
                    "filter /images/prune label", "filter /images/prune until")  # fmt: skip
def test_prune_of_what_has_names(docker: Cli, image: str) -> None:
    """Named images that no container uses go only when asked for, with their names told."""
    for name in ("spare:1", "spare:2"):
        docker("create", "--name", "base", image)
        docker("commit", "-c", f"LABEL which={name}", "base", name)
        docker("rm", "base")
    filters = {"dangling": ["false"], "label": ["which=spare:1"]}
    status, answer = api(docker.daemon, "POST", f"/images/prune?filters={quote(json.dumps(filters))}")
    told = json.loads(answer)
    assert status == 200
    assert {"Untagged": "spare:1"} in told["ImagesDeleted"]
    assert any(item.get("Deleted", "").startswith("sha256:") for item in told["ImagesDeleted"])
    assert docker("images", "-q", "spare").stdout.count("\n") == 1
    early = {"dangling": ["false"], "label": ["which"], "until": ["2020-01-01"]}
    kept = json.loads(api(docker.daemon, "POST", f"/images/prune?filters={quote(json.dumps(early))}")[1])
    assert kept == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    assert api(docker.daemon, "POST", f"/images/prune?filters={quote(json.dumps({'nosuch': ['x']}))}")[0] == 400
    docker("rmi", "spare:2")


@pytest.mark.census("DELETE /images/{name}?noprune", "image rm --no-prune")
def test_parents_are_kept_when_asked_for(cli: Cli, image: str) -> None:
    """An image without a name goes with its last child, unless that is refused."""
    for words, left in ((["--no-prune"], 1), ([], 0)):
        cli("create", "--name", "base", image)
        parent = cli("commit", "base").stdout.strip()
        cli("rm", "base")
        cli("create", "--name", "base", parent)
        cli("commit", "base", "child:1")
        cli("rm", "base")
        cli("rmi", *words, "child:1")
        assert cli("images", "-aq", "--filter", "dangling=true").stdout.count("\n") == left
        cli("image", "prune", "-f")
