"""Mounts of every type in the container's eyes: images, parts of volumes, order, what the image brings, who may go."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created

pytestmark = pytest.mark.root

NONE = ["--network", "none"]


@pytest.mark.census(
    "mount type image", "mount flag image-subpath", "HostConfig.Mounts[].ImageOptions", "image image mounts",
    "HostConfig.Mounts[].ImageOptions.Subpath", "GET /containers/{id}/json → HostConfig.Mounts[].ImageOptions",
    "GET /containers/{id}/json → HostConfig.Mounts[].ImageOptions.Subpath",
)  # fmt: skip
def test_images(cli: Cli, image: str) -> None:
    def run(how: str, *words: str) -> tuple[int, str]:
        done = cli("run", "--rm", *NONE, "--mount", f"type=image,src={image},dst=/m{how}", image, *words, check=False)
        return done.returncode, done.stdout + done.stderr

    assert run("", "ls", "/m")[1].split() == ["bin", "etc", "root", "tmp", "www"]
    assert "Read-only file system" in run("", "touch", "/m/x")[1]
    assert run(",image-subpath=www", "ls", "/m") == (0, "index.html\n")
    assert run(",image-subpath=www/index.html", "cat", "/m") == (0, "carrack serves\n")
    assert "cannot access path busybox:latest/nosuch: " in run(",image-subpath=nosuch", "true")[1]
    assert "subpath must be a relative path within the volume" in run(",image-subpath=../x", "true")[1]
    missing = cli("run", "--rm", *NONE, "--mount", "type=image,src=nosuch,dst=/m", image, "true", check=False)
    assert "No such image: nosuch:latest" in missing.stderr
    container = cli(
        "create", *NONE, "--mount", f"type=image,src={image},dst=/m,image-subpath=www", image
    ).stdout.strip()
    (document,) = json.loads(cli("inspect", container).stdout)
    assert document["HostConfig"]["Mounts"][0]["ImageOptions"] == {"Subpath": "www"}
    (point,) = document["Mounts"]
    assert (point["Type"], point["Name"], point["RW"], point["Propagation"]) == ("image", image, False, "rprivate")
    assert cli("run", "--rm", *NONE, "--volumes-from", container, image, "ls", "/m").stdout == "index.html\n"


@pytest.mark.census("image image mounts")
def test_an_image_stays_while_a_container_mounts_it(docker: Cli, image: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("only-here"))
    docker("import", "-", "mounted", stdin=buffer.getvalue())
    docker("create", "--name", "one", *NONE, "--mount", "type=image,src=mounted,dst=/m", image, "ls", "/m")
    refused = docker("rmi", "mounted", check=False).stderr
    assert 'unable to remove repository reference "mounted" (must force) - container' in refused
    docker("image", "prune", "-af")  # takes what other tests left, not this
    assert docker("image", "ls", "-q", "mounted").stdout
    docker("rmi", "-f", "mounted")  # its name goes, what it holds stays
    assert docker("start", "-a", "one").stdout == "only-here\n"
    docker("rm", "one")


@pytest.mark.census(
    "mount type volume", "mount flag volume-subpath", "HostConfig.Mounts[].VolumeOptions.Subpath",
    "GET /containers/{id}/json → HostConfig.Mounts[].VolumeOptions.Subpath",
)  # fmt: skip
def test_parts_of_volumes(cli: Cli, image: str) -> None:
    make = "mkdir -p /v/a/b; echo told > /v/a/file; ln -s a /v/link"
    cli("run", "--rm", *NONE, "-v", "vol:/v", image, "sh", "-c", make)

    def run(part: str, *words: str) -> tuple[str, str]:
        how = f"type=volume,src=vol,dst=/m,volume-subpath={part}"
        done = cli("run", "--rm", *NONE, "--mount", how, image, *words, check=False)
        return done.stdout, done.stderr

    assert run("a", "ls", "/m")[0] == run("link", "ls", "/m")[0] == run("a/../a", "ls", "/m")[0] == "b\nfile\n"
    assert run("a/file", "cat", "/m")[0] == "told\n"
    run("a/b", "touch", "/m/x")
    assert run(".", "ls", "/m/a/b")[0] == "x\n"
    assert "nosuch: no such file or directory" in run("nosuch", "true")[1]
    assert "must not set Subpath when using anonymous volumes" in cli(
        "run", "--rm", "--mount", "type=volume,dst=/m,volume-subpath=a", image, check=False
    ).stderr  # fmt: skip
    container = cli("create", *NONE, "--mount", "type=volume,src=vol,dst=/m,volume-subpath=a,ro", image).stdout.strip()
    assert json.loads(cli("inspect", container).stdout)[0]["HostConfig"]["Mounts"][0]["VolumeOptions"]["Subpath"] == "a"
    assert cli("run", "--rm", *NONE, "--volumes-from", container, image, "ls", "/m").stdout == "b\nfile\n"
    cli("cp", f"{container}:/m/file", "-")
    assert "mounted volume is marked read-only" in cli("cp", __file__, f"{container}:/m/", check=False).stderr


@pytest.mark.census(
    "Config.Volumes", "mount flag anonymous volume", "mount flag image VOLUME auto-create + copy-up",
    "volume anonymous", "volume copy-up from image", "rm --volumes", "run --rm",
)  # fmt: skip
def test_what_the_image_says(docker: Cli, image: str) -> None:
    """VOLUME of the image: an anonymous volume with the image's files, which goes with --rm and rm -v, else stays."""
    docker("commit", "-c", "VOLUME /www", docker("create", *NONE, image).stdout.strip(), "served")
    try:
        seen = docker("run", "--rm", *NONE, "served", "sh", "-c", "ls /www; grep -c ' /www ' /proc/mounts").stdout
        assert seen == "index.html\n1\n"
        assert docker("volume", "ls", "-q").stdout == ""
        for options, left in (["-v"], 0), ([], 1):
            docker("create", "--name", "one", *NONE, "served")
            (name,) = docker("volume", "ls", "-q").stdout.split()
            (document,) = json.loads(docker("volume", "inspect", name).stdout)
            assert document["Labels"] == {"com.docker.volume.anonymous": ""}
            docker("rm", *options, "one")
            assert len(docker("volume", "ls", "-q").stdout.split()) == left
        docker("run", "--rm", *NONE, "-v", "named:/www", "served", "true")
        assert "named" in docker("volume", "ls", "-q").stdout.split()  # a name keeps it
        docker("run", "--rm", *NONE, "--tmpfs", "/www", "served", "sh", "-c", 'test -z "$(ls /www)"')
    finally:
        docker("rm", "-f", *docker("ps", "-aq").stdout.split())
        docker("rmi", "served")


@pytest.mark.census("volume copy-up from image", "run --volume", "create --volume", "HostConfig.Binds", "volume named")
def test_what_is_copied_keeps_all_it_has(docker: Cli, image: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode, kind, more in (
            ("data", 0o2750, tarfile.DIRTYPE, {}),
            ("data/file", 0o4711, tarfile.REGTYPE, {"SCHILY.xattr.user.note": "kept"}),
            ("data/hard", 0o644, tarfile.LNKTYPE, {}),
            ("data/soft", 0o777, tarfile.SYMTYPE, {}),
            ("data/pipe", 0o600, tarfile.FIFOTYPE, {}),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid, info.pax_headers, info.mtime = kind, mode, 7, 9, more, 1_000_000
            info.linkname = {"data/hard": "data/file", "data/soft": "/nowhere"}.get(name, "")
            archive.addfile(info)
    docker("import", "-", "full", stdin=buffer.getvalue())
    try:
        docker("create", *NONE, "-v", "vol:/data", "full", "x")
    finally:
        docker("rm", "-f", *docker("ps", "-aq").stdout.split())
        docker("rmi", "full")
    root = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", "vol").stdout.strip())
    top, file = root.stat(), (root / "file").stat()
    assert (top.st_mode & 0o7777, top.st_uid, top.st_gid) == (0o2750, 7, 9)
    assert (file.st_mode & 0o7777, file.st_uid, file.st_gid, file.st_mtime) == (0o4711, 7, 9, 1_000_000)
    assert (file.st_ino, file.st_nlink) == ((root / "hard").stat().st_ino, 2)
    assert os.getxattr(root / "file", "user.note") == b"kept"
    assert (os.readlink(root / "soft"), (root / "pipe").is_fifo()) == ("/nowhere", True)


@pytest.mark.census(
    "run --mount", "create --mount", "mount type bind", "mount flag ro", "mount flag rw", "HostConfig.Mounts[].Type",
    "HostConfig.Mounts[].Source", "HostConfig.Mounts[].Target", "HostConfig.Mounts[].ReadOnly",
    "HostConfig.Mounts[].BindOptions",
)  # fmt: skip
def test_order_and_what_lies_below(docker: Cli, image: str, tmp_path: Path) -> None:
    """Parents come before children, whatever the order of the words; a file covers a file, and only that."""
    (tmp_path / "file").write_text("covers\n")
    words = ["-v", "inner:/a/b", "--mount", "type=volume,src=outer,dst=/a", "--tmpfs", "/a/b/c:size=1m", "-v"]
    script = "touch /a/x /a/b/x /a/b/c/x; grep -o ' /a[^ ]* [a-z0-9]*' /proc/mounts; cat /etc/passwd"
    done = docker("run", "--rm", *NONE, *words, f"{tmp_path}/file:/etc/passwd:ro", image, "sh", "-c", script).stdout
    assert [line.split()[0] for line in done.splitlines()[:3]] == ["/a", "/a/b", "/a/b/c"]
    assert done.endswith("covers\n")
    for wrong in (f"{tmp_path}/file:/etc", f"{tmp_path}:/etc/passwd"):
        refused = docker("run", "--rm", *NONE, "-v", wrong, image, "true", check=False)
        assert "not a directory" in refused.stderr.lower()
    assert (
        docker("run", "--rm", *NONE, "-v", f"{tmp_path}/file:/new/place", image, "cat", "/new/place").stdout
        == "covers\n"
    )


@pytest.mark.census("volume named", "volume in-use protection", "volume rm --force", "DELETE /volumes/{name}")
def test_one_volume_of_many_containers(cli: Cli, image: str) -> None:
    names = [cli("run", "-d", *NONE, "-v", "vol:/v", image, "sleep", "100").stdout.strip() for _ in range(3)]
    cli("exec", names[0], "touch", "/v/x")
    assert [cli("exec", name, "ls", "/v").stdout for name in names[1:]] == ["x\n", "x\n"]
    for options in [], ["-f"]:
        refused = cli("volume", "rm", *options, "vol", check=False).stderr
        assert refused.startswith("Error response from daemon: remove vol: volume is in use - [")
        assert all(name in refused for name in names)
    cli("rm", "-f", *names)
    cli("volume", "rm", "vol")
    assert cli("volume", "rm", "-f", "vol").stdout == "vol\n"
    assert cli("volume", "rm", "vol", check=False).stderr == "Error response from daemon: get vol: no such volume\n"


@pytest.mark.census(
    "filter /volumes dangling", "filter /volumes driver", "filter /volumes label", "filter /volumes name",
    "volume ls filters dangling/driver/label/name", "volume ls --filter", "volume ls --quiet", "volume ls --format",
    "GET /volumes?filters", "volume labels", "POST /volumes/create Labels", "POST /volumes/create Name",
    "volume create --label",
)  # fmt: skip
def test_filters(cli: Cli, image: str) -> None:
    cli("volume", "create", "--label", "use=db", "--label", "old", "one")
    cli("volume", "create", "--label", "use=web", "two")
    cli("create", *NONE, "-v", "two:/v", image)

    def ls(*filters: str) -> list[str]:
        return cli("volume", "ls", "-q", *[word for each in filters for word in ("--filter", each)]).stdout.split()

    assert ls() == ["one", "two"]
    assert (ls("dangling=true"), ls("dangling=0")) == (["one"], ["two"])
    assert (ls("label=use"), ls("label=use=db"), ls("label=use", "label=old")) == (["one", "two"], ["one"], ["one"])
    assert (ls("name=o"), ls("name=^t"), ls("driver=local", "name=one"), ls("driver=loc")) == (
        ["one", "two"], ["two"], ["one"], [],
    )  # fmt: skip
    for wrong, told in (
        ("nosuch=x", "invalid filter 'nosuch'"),
        ("dangling=maybe", "invalid filter 'dangling=[maybe]'"),
        ("label!=x", "invalid filter 'label!'"),
    ):
        assert told in cli("volume", "ls", "--filter", wrong, check=False).stderr


@pytest.mark.census(
    "filter /volumes/prune label", "filter /volumes/prune label!", "filter /volumes/prune all", "volume prune --all",
    "volume prune --filter", "volume prune --force", "POST /volumes/prune", "volume prune (anonymous only unless all)",
    "event volume prune",
)  # fmt: skip
def test_prunings(docker: Cli) -> None:
    def make() -> str:
        docker("volume", "create", "--label", "keep", "kept")
        docker("volume", "create", "named")
        return docker("volume", "create").stdout.strip()

    def prune(version: str, filters: str = "{}") -> list[str]:
        quoted = filters.replace('"', "%22")
        status, answer = api(docker.daemon, "POST", f"/{version}/volumes/prune?filters={quoted}")
        assert status == 200, answer
        return sorted(json.loads(answer)["VolumesDeleted"] or [])

    anonymous = make()
    assert prune("v1.51") == [anonymous]
    assert prune("v1.51", '{"all":["true"],"label!":["keep"]}') == ["named"]
    assert prune("v1.51", '{"all":["1"],"label":["keep"]}') == ["kept"]
    anonymous = make()
    assert prune("v1.41") == sorted([anonymous, "kept", "named"])  # before API 1.42 all went
    for wrong, told in (
        ('{"all":["maybe"]}', 'strconv.ParseBool: parsing \\"maybe\\": invalid syntax'),
        ('{"dangling":["true"]}', "invalid filter 'dangling'"),
        ('{"until":["1h"]}', "invalid filter 'until'"),
    ):
        status, answer = api(docker.daemon, "POST", f"/v1.51/volumes/prune?filters={wrong.replace(chr(34), '%22')}")
        assert (status, told in answer.decode()) == (400, True), answer


@pytest.mark.census(
    "event volume create", "event volume mount", "event volume unmount", "event volume destroy", "event volume prune",
    "filter /events volume",
)  # fmt: skip
def test_events(docker: Cli, image: str) -> None:
    since = docker("info", "--format", "{{.SystemTime}}").stdout.strip()
    docker("volume", "create", "vol")
    name = docker("run", "-d", *NONE, "-v", "vol:/m:ro", image, "sleep", "100").stdout.strip()
    docker("rm", "-f", name)
    docker("volume", "rm", "vol")
    docker("volume", "prune", "-f")
    until = docker("info", "--format", "{{.SystemTime}}").stdout.strip()

    def told(*filters: str) -> list[tuple[str, str, dict[str, str]]]:
        words = ["--since", since, "--until", until, "--format", "json", "--filter", "type=volume", *filters]
        lines = [json.loads(line) for line in docker("events", *words).stdout.splitlines()]
        return [(line["Action"], line["Actor"]["ID"], line["Actor"]["Attributes"]) for line in lines]

    mounted = {"container": name, "destination": "/m", "driver": "local", "propagation": "", "read/write": "false"}
    assert told() == [
        ("create", "vol", {"driver": "local"}),
        ("mount", "vol", mounted),
        ("unmount", "vol", {"container": name, "driver": "local"}),
        ("destroy", "vol", {"driver": "local"}),
        ("prune", "", {"reclaimed": "0"}),
    ]
    assert [action for action, _, _ in told("--filter", "volume=vol")] == ["create", "mount", "unmount", "destroy"]
    assert [action for action, _, _ in told("--filter", "volume=nosuch")] == []


@pytest.mark.census("volume UsageData", "GET /system/df → Volumes", "filter /containers/json volume")
def test_usage(docker: Cli, image: str) -> None:
    docker("create", "--name", "one", *NONE, "-v", "vol:/www", image)
    docker("volume", "create", "empty")
    form = "{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}};{{end}}"
    assert docker("system", "df", "-v", "--format", form).stdout.strip() == "empty 0 0B;vol 1 15B;"
    for wanted, found in ("vol", "one\n"), ("/www", "one\n"), ("empty", ""):
        assert docker("ps", "-a", "--filter", f"volume={wanted}", "--format", "{{.Names}}").stdout == found


@pytest.mark.census("HostConfig.Mounts[].Consistency", "GET /containers/{id}/json → HostConfig.Mounts[].Consistency",
                    "mount flag consistent|cached|delegated")  # fmt: skip
@pytest.mark.parametrize("word", ["consistent", "cached", "delegated", "default"])
def test_consistency_is_kept_and_changes_nothing(docker: Cli, image: str, tmp_path: Path, word: str) -> None:
    mount = {"Type": "bind", "Source": str(tmp_path), "Target": "/m", "Consistency": word}
    container = created(docker.daemon, image, ["touch", "/m/x"], {"Mounts": [mount], "NetworkMode": "none"})
    docker("start", "-a", container)
    assert (tmp_path / "x").exists()
    assert json.loads(docker("inspect", container).stdout)[0]["HostConfig"]["Mounts"][0]["Consistency"] == word


@pytest.mark.census(
    *(f"GET /containers/{{id}}/json → HostConfig.Mounts[].{name}" for name in (
        "BindOptions.NonRecursive", "BindOptions.ReadOnlyForceRecursive", "BindOptions.CreateMountpoint",
        "TmpfsOptions.Options", "VolumeOptions.DriverConfig", "VolumeOptions.DriverConfig.Name",
        "VolumeOptions.DriverConfig.Options",
    )),
)  # fmt: skip
def test_inspect_shows_what_was_asked_for(docker: Cli, image: str, tmp_path: Path) -> None:
    bind = {"Propagation": "rprivate", "NonRecursive": True, "CreateMountpoint": True, "ReadOnlyForceRecursive": True}
    driver = {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}
    asked = [
        {"Type": "bind", "Source": f"{tmp_path}/new", "Target": "/b", "ReadOnly": True, "BindOptions": bind},
        {"Type": "volume", "Source": "vol", "Target": "/v",
         "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": driver}},
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 448, "Options": [["exec"]]}},
    ]  # fmt: skip
    container = created(docker.daemon, image, ["true"], {"Mounts": asked, "NetworkMode": "none"})
    docker("start", "-a", container)
    assert json.loads(docker("inspect", container).stdout)[0]["HostConfig"]["Mounts"] == asked
