"""``--platform`` of the verbs about images that are here, and archives and layers in each compression."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from tests.cli.running import Cli, api

pytestmark = pytest.mark.root
OURS, OTHER = "linux/amd64", "linux/arm64"
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.fixture
def other(cli: Cli, image: str) -> Iterator[str]:
    """A name of the image that may be removed."""
    cli("tag", image, "other:1")
    yield "other:1"
    cli("rmi", "other:1", check=False)


@pytest.fixture
def platform(cli: Cli, image: str) -> str:
    """The image's own."""
    return cli("image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", image).stdout.strip()


@pytest.mark.docker_28
@pytest.mark.census("image history --platform", "image inspect --platform", "image save --platform")
@pytest.mark.parametrize("verb", [["history"], ["image", "inspect"], ["save"]], ids=lambda verb: verb[-1])
def test_one_platform_is_shown(cli: Cli, image: str, platform: str, verb: list[str]) -> None:
    wanted = OTHER if platform == OURS else OURS
    assert cli.raw(*verb, "--platform", platform, image)
    refused = cli(*verb, "--platform", wanted, image, check=False)
    assert refused.returncode == 1
    assert wanted in refused.stderr


@pytest.mark.docker_28
@pytest.mark.census(
    "image rm --platform", "image load --platform", "GET /images/get?platform", "POST /images/load?quiet"
)
@pytest.mark.census("GET /images/{name}/get?platform", "POST /images/load?platform", "POST /images/load")
def test_one_platform_is_loaded_and_removed(cli: Cli, other: str, platform: str, tmp_path: Path) -> None:
    wanted = OTHER if platform == OURS else OURS
    cli("save", "-o", str(tmp_path / "a.tar"), "--platform", platform, other)
    refused = cli("rmi", "--platform", wanted, other, check=False)
    assert refused.returncode == 1
    assert wanted in refused.stderr
    assert f"Untagged: {other}" in cli("rmi", "--platform", platform, other).stdout
    refused = cli("load", "-i", str(tmp_path / "a.tar"), "--platform", wanted, check=False)
    assert refused.returncode == 1
    assert cli("images", "-q", other).stdout == ""
    cli("load", "-q", "-i", str(tmp_path / "a.tar"), "--platform", platform)
    assert cli("images", "-q", other).stdout != ""
    document = quote(json.dumps(dict(zip(("os", "architecture"), wanted.split("/"), strict=True))))
    assert api(cli.daemon, "GET", f"/images/get?names={other}&platform={document}")[0] == 404


@pytest.mark.census("image gzip/zstd/uncompressed layers", "image import tar/URL + --change")
@pytest.mark.parametrize("kind", PACKED)
def test_each_compression(cli: Cli, image: str, kind: str, tmp_path: Path) -> None:
    """What is imported packed runs as it does plain."""
    cli("create", "--name", "source", image)
    (tmp_path / "packed").write_bytes(PACKED[kind](cli.raw("export", "source")))
    cli("import", "-c", 'CMD ["echo", "unpacked"]', str(tmp_path / "packed"), "packed:1")
    try:
        assert cli("run", "--rm", "packed:1").stdout == "unpacked\n"
    finally:
        cli("rmi", "packed:1")


@pytest.mark.census("GET /images/{name}/json → Variant")
def test_a_variant_of_a_processor(docker: Cli) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    path = "/images/create?fromSrc=-&repo=varied&tag=1&platform=" + quote("linux/arm/v7")
    assert api(docker.daemon, "POST", path, raw=content.getvalue())[0] == 200
    shown = json.loads(docker("image", "inspect", "varied:1").stdout)[0]
    docker("rmi", "varied:1")
    assert (shown["Os"], shown["Architecture"], shown["Variant"]) == ("linux", "arm", "v7")
