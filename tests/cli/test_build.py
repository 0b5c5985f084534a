"""Builds by both commands (the real one by its classic request), seen from inside what was built."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.built import forget_builds
from tests.cli.running import Cli, CommandLine, DaemonProcess, Result, api

pytestmark = pytest.mark.root

Build = Callable[..., Result]


@pytest.fixture
def build(
    cli: Cli, daemon: DaemonProcess, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Build]:
    """Builds a Dockerfile with files beside it; every image but the base is removed afterwards."""
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")

    def run(text: str, *words: str, check: bool = True, **files: str) -> Result:
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(text)
        for name, content in files.items():
            place = context / name.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        return cli("build", *words, str(context), check=check)

    yield run
    forget_builds(daemon, cli, image)
    _, answer = api(daemon, "GET", "/system/df?type=build-cache")
    assert json.loads(answer)["BuildCache"] == []


def test_stages_files_and_programs(build: Build, docker: Cli) -> None:
    text = """FROM busybox AS one
ENV V=1
RUN echo $V > /v && mkdir /d && echo x > /d/f && chmod 600 /d/f && ln -s f /d/l
COPY --chown=5:6 sub/ /sub/
FROM busybox
COPY --from=one /v /d /sub /all/
RUN rm /bin/vi && cat /all/v && chmod 700 /all && chown 9:9 /all
WORKDIR /work
USER 7:8
CMD ["sh", "-c", "id -u; pwd; ls -ldn /all; ls /bin/vi"]
"""
    shown = build(text, "-t", "built:1", sub__a="A").stdout
    assert "Step 1/10 : FROM busybox AS one" in shown
    assert "Successfully tagged built:1" in shown
    inside = docker("run", "--rm", "built:1", check=False)
    lines = inside.stdout.splitlines()
    assert lines[:2] == ["7", "/work"]
    assert lines[2].split()[:1] + lines[2].split()[2:4] == ["drwx------", "9", "9"]
    assert "No such file" in inside.stderr


# what a real dockerd's two builders give
OWNERS = """FROM busybox AS one
RUN mkdir -p /d/e && echo x > /d/f && chown -R 5:6 /d && chmod 710 /d /d/e
FROM busybox
RUN mkdir -p /pre/e && chmod 777 /pre /pre/e
COPY --from=one /d /x
COPY --from=one /d /pre
COPY sub /s
COPY --chown=9:9 --chmod=u=rwX,go= sub /a/b/c
RUN stat -c '%n %a %u:%g' /x /x/* /pre /pre/* /s /s/* /a /a/b /a/b/c /a/b/c/n
"""


def test_owners_and_permissions(build: Build) -> None:
    shown = build(OWNERS, sub__n="1").stdout
    assert [line for line in shown.splitlines() if line.startswith("/")] == [
        "/x 755 0:0", "/x/e 710 5:6", "/x/f 644 5:6", "/pre 777 0:0", "/pre/e 710 5:6", "/pre/f 644 5:6",
        "/s 755 0:0", "/s/n 644 0:0", "/a 755 9:9", "/a/b 755 9:9", "/a/b/c 755 9:9", "/a/b/c/n 600 9:9",
    ]  # fmt: skip


def test_the_cache_and_what_changed(build: Build, docker: Cli) -> None:
    text = "FROM busybox\nRUN date +%s%N > /now\nCOPY f /f\nRUN cat /f"
    build(text, "-t", "built:1", f="1")
    first = docker("images", "-q", "built:1").stdout
    again = build(text, "-t", "built:1", f="1").stdout
    assert again.count("Using cache") == 3
    assert docker("images", "-q", "built:1").stdout == first
    assert build(text, "-t", "built:1", f="2").stdout.count("Using cache") == 1
    assert build(text, "-t", "built:1", "--no-cache", f="2").stdout.count("Using cache") == 0


def test_a_program_that_fails_leaves_nothing(build: Build, docker: Cli, daemon: DaemonProcess) -> None:
    failed = build("FROM busybox\nRUN echo last words; exit 7", check=False)
    assert failed.returncode == 1
    assert "last words" in failed.stdout
    assert "exit code: 7" in failed.stderr
    assert docker("ps", "-aq").stdout == ""
    assert os.listdir(daemon.root / "data" / "containers") == []
    assert os.listdir(daemon.root / "run" / "containers") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM busybox\nFOO x", "dockerfile parse error on line 2: unknown instruction: FOO"),
        ("FROM busybox\nRUN <<E\nx", "unterminated heredoc"),
        ("FROM busybox AS a\nCOPY --from=a x /", "circular dependency"),
        ("FROM busybox\nCOPY ../x /", "forbidden path outside the build context"),
        ("FROM busybox\nCOPY none /", "not found"),
        ("FROM busybox\nRUN no-such-program-here", "exit code: 127"),
        ('FROM busybox\nRUN ["/no/such"]', "no such file"),
    ],
)
def test_refused(build: Build, text: str, said: str) -> None:
    failed = build(text, check=False)
    assert failed.returncode == 1
    assert said in failed.stderr


def test_guards_of_containers(build: Build) -> None:
    shown = build(
        "FROM busybox\nRUN grep -E 'Seccomp:|CapEff|NoNewPrivs' /proc/self/status; hostname; env", "--network", "none"
    ).stdout
    assert "Seccomp:\t2" in shown
    assert "CapEff:\t00000000a80425fb" in shown


def test_mounts_of_programs(build: Build, docker: Cli) -> None:
    text = """FROM busybox AS one
RUN mkdir /d && echo stage > /d/f
FROM busybox
RUN --mount=type=bind,source=sub,target=/ctx --mount=type=bind,from=one,source=/d,target=/st,rw \\
    cat /ctx/a /st/f && echo more > /st/g && ! touch /ctx/b
RUN --mount=type=cache,target=/cache,mode=0700 echo kept > /cache/f && stat -c %a /cache
RUN --mount=type=cache,target=/cache cat /cache/f && mount | grep 'overlay on / '
RUN --mount=type=tmpfs,target=/tmp/t,size=64k ! dd if=/dev/zero of=/tmp/t/f bs=1k count=100 2>&1 && mount | grep /tmp/t
RUN <<END
#!/bin/cat
written as it is
END
RUN ls /ctx /st /cache /dev/pipes 2>&1; ls /tmp | wc -l
"""
    shown = build(text, "-t", "built:1", sub__a="from the context").stdout
    for line in ("from the context", "stage", "700", "kept", "written as it is", "size=64k", "volatile"):
        assert line in shown
    for place in ("/ctx", "/st", "/cache", "/dev/pipes"):
        assert f"ls: {place}: No such file" in shown
    assert "\n0\n" in shown


def test_a_context_that_can_be_written_is_what_it_was(build: Build) -> None:
    text = """FROM busybox
RUN --mount=target=/ctx,rw ls -A /ctx && cat /ctx/dev && rm /ctx/dev && echo new > /ctx/sub/new
RUN --mount=target=/ctx --mount=source=sub,target=/sub,rw ls -A /ctx /sub
"""
    shown = build(text, dev="a file of that name\n", sub__f="1").stdout
    assert "\nDockerfile\ndev\nsub\na file of that name\n" in shown
    assert "/ctx:\nDockerfile\ndev\nsub\n\n/sub:\nf\n" in shown


def test_a_cache_outlives_the_steps_that_use_it(build: Build) -> None:
    text = "FROM busybox\nARG N\nRUN --mount=type=cache,id=mine,target=/c echo $N >> /c/f && tr '\\n' , < /c/f"
    build(text, "--build-arg", "N=one")
    assert "one,two," in build(text, "--build-arg", "N=two").stdout


def test_ignored_files_stay_at_home(build: Build) -> None:
    text = "FROM busybox\nCOPY . /c\nRUN ls -R /c"
    files = {
        "a.md": "1",
        "b.txt": "2",
        "sub__c.md": "3",
        "sub__d.txt": "4",
        "node__e": "5",
        ".dockerignore": "**/*.md\nnode\n!sub/c.md",
    }
    shown = build(text, **files).stdout
    assert "b.txt\n" in shown
    assert "c.md\nd.txt\n" in shown
    assert "a.md" not in shown
    assert "node" not in shown


def test_what_a_program_may_use(build: Build) -> None:
    text = "FROM busybox\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; "
    text += "df -k /dev/shm; true"
    shown = build(text, "--memory", "64m", "--shm-size", "3m").stdout
    assert "\n67108864\n" in shown
    assert " 3072 " in shown


def test_the_cache_can_be_shown_and_pruned(build: Build, cli: Cli) -> None:
    build(
        "FROM busybox\nRUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/f bs=1k count=100; echo x > /x",
        "-t",
        "kept",
    )
    shown = cli("system", "df").stdout.splitlines()[-1].split()
    assert shown[:3] == ["Build", "Cache", "2"]
    assert cli("builder", "prune", "-f").stdout.endswith("Total reclaimed space: 102.4kB\n")
    assert build("FROM busybox\nRUN --mount=type=cache,target=/c ls /c", "-t", "kept").stdout.count("Using cache") == 0


@pytest.mark.census(
    *(f"POST /build/prune?{name}" for name in ("keep-storage", "reserved-space", "min-free-space", "max-used-space")),
)
def test_what_of_the_cache_goes(build: Build, cli: Cli) -> None:
    """What was used last stays; a step stays as long as one that was made on it."""
    for size in (300, 200, 100):
        build(f"FROM busybox\nRUN head -c {size}000 /dev/zero > /f\nRUN head -c {size}001 /dev/zero > /g")

    def sizes() -> list[int]:
        rows = [line.split() for line in cli("system", "df", "-v").stdout.split("Build cache usage")[1].splitlines()]
        return sorted(round(float(row[2][:-2])) // 100 for row in rows if row[1:2] == ["regular"])

    cli("image", "prune", "-f")
    assert sizes() == [1, 1, 2, 2, 3, 3]
    assert "Total reclaimed space: 0B" in cli("builder", "prune", "-f", "--filter", "until=1h").stdout
    assert "Total reclaimed space: 0B" in cli("builder", "prune", "-f", "--filter", "type=source.local").stdout
    cli("builder", "prune", "-f", "--keep-storage", "1000k")
    assert sizes() == [1, 1, 2, 2, 3]
    if cli.name == "carrack":
        cli("builder", "prune", "-f", "--reserved-space", "500k", "--min-free-space", "1000t")
        assert sizes() == [1, 1, 2]
        cli("builder", "prune", "-f", "--max-used-space", "250k")
        assert sizes() == [1, 1]
    refused = cli("builder", "prune", "-f", "--filter", "name=x", check=False)
    assert (refused.returncode, "invalid filter 'name'" in refused.stderr) == (1, True)


def test_why_a_step_was_done(docker: Cli, daemon: DaemonProcess, image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nARG V\nRUN echo $V")
    ours = CommandLine("carrack", daemon)
    ours("build", "--build-arg", "V=1", str(tmp_path))
    shown = ours("build", "--explain", "--build-arg", "V=2", "--iidfile", str(tmp_path / "id"), str(tmp_path)).stdout
    assert "Done because the variable V was '1', is '2'" in shown
    identity = (tmp_path / "id").read_text()
    assert identity.startswith("sha256:")
    assert ours("build", "-q", "--build-arg", "V=2", str(tmp_path)).stdout.strip() == identity
    ours("rmi", "-f", identity)


def test_the_file_for_which_a_copy_was_done(docker: Cli, daemon: DaemonProcess, image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nWORKDIR /app\nCOPY src src\n")
    (tmp_path / "src" / "inner").mkdir(parents=True)
    for name in ("a", "inner/b", "inner/c"):
        (tmp_path / "src" / name).write_text("one")
    ours = CommandLine("carrack", daemon)
    ours("build", "-t", "why", str(tmp_path))

    def reason() -> str:
        shown = ours("build", "--explain", "-t", "why", str(tmp_path)).stdout
        return next((line for line in shown.splitlines() if "Done because" in line), "").partition("context are ")[2]

    assert reason() == ""
    (tmp_path / "src" / "inner" / "c").write_text("two")
    assert reason() == "different: /app/src/inner/c has other contents"
    (tmp_path / "src" / "a").chmod(0o600)
    assert reason() == "different: /app/src/a had the mode 644, has 600"
    (tmp_path / "src" / "b").write_text("new")
    assert reason() == "different: /app/src/b is new"
    (tmp_path / "src" / "b").unlink()
    assert reason() == ""  # all is as it was before
    ours("rmi", "-f", "why")


def test_archives_are_unpacked_by_add_and_not_by_copy(build: Build, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        info = tarfile.TarInfo("bin/tool")
        info.size, info.uid, info.mode = 3, 5, 0o4755
        tar.addfile(info, io.BytesIO(b"abc"))
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "a.tar.xz").write_bytes(out.getvalue())
    text = "FROM busybox\nADD a.tar.xz /one/\nCOPY a.tar.xz /two/\nADD --unpack=false a.tar.xz /three/\n"
    shown = build(text + "RUN stat -c '%n %a %u' /one/bin/tool /two/* /three/*").stdout
    assert "/one/bin/tool 4755 5\n/two/a.tar.xz 644 0\n/three/a.tar.xz 644 0\n" in shown


@pytest.mark.census("POST /build?outputs")
def test_files_instead_of_an_image(build: Build, cli: Cli, daemon: DaemonProcess, image: str, tmp_path: Path) -> None:
    text = "FROM busybox AS one\nRUN mkdir /d && echo hi > /d/f && ln -s f /d/l\nFROM scratch\nCOPY --from=one /d /d\n"
    if cli.name == "docker":
        pytest.skip("docker's classic build has no --output")
    before = cli("images", "-aq").stdout
    build(text, "-o", f"type=local,dest={tmp_path / 'out'}")
    assert (tmp_path / "out" / "d" / "f").read_text() == "hi\n"
    assert os.readlink(tmp_path / "out" / "d" / "l") == "f"
    build(text, "-o", f"type=tar,dest={tmp_path / 'out.tar'}")
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getnames() == ["d", "d/f", "d/l"]
    failed = build("FROM busybox\nRUN false", "-o", str(tmp_path / "none"), check=False)
    assert failed.returncode == 1
    assert not (tmp_path / "none").exists()
    assert cli("images", "-aq").stdout == before
    status, answer = api(daemon, "POST", "/build?outputs=%5B%7B%22Type%22%3A%22oci%22%7D%5D")
    assert status >= 400
    assert b"needs a session" in answer


@pytest.mark.census("image build --squash", "builder build --squash", "POST /build?squash")
def test_squash(build: Build, cli: Cli, docker: Cli) -> None:
    if cli.name == "docker":
        pytest.skip("docker shows --squash to daemons with experimental features only")
    text = "FROM busybox\nRUN mkdir /d && echo 1 > /d/f && echo 2 > /d/g\nRUN rm /d/f /bin/vi && echo 3 > /d/g"
    build(text, "--squash", "-t", "flat:1")
    layers = docker("inspect", "-f", "{{len .RootFS.Layers}}", "flat:1").stdout
    assert int(layers) == int(docker("inspect", "-f", "{{len .RootFS.Layers}}", "busybox").stdout) + 1
    shown = docker("run", "--rm", "flat:1", "sh", "-c", "ls /d; cat /d/g; ls /bin/vi", check=False)
    assert shown.stdout == "g\n3\n"
    assert "No such file" in shown.stderr


def test_programs_of_another_architecture(build: Build) -> None:
    failed = build('FROM scratch\nCOPY a /a\nRUN ["/a"]', "--platform", "linux/s390x", check=False, a="x")
    if Path("/proc/sys/fs/binfmt_misc/qemu-s390x").exists():
        pytest.skip("an emulator is registered")
    assert "programs for linux/s390x do not run on" in failed.stderr
    assert build("FROM scratch\nCOPY a /a", "--platform", "linux/s390x", a="x").returncode == 0


def test_several_platforms_and_what_is_said_of_them(build: Build, cli: Cli, docker: Cli, tmp_path: Path) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /a\n"
    words = ["--platform", "linux/amd64,linux/arm64"]
    if cli.name == "docker":
        assert "style=buildkit, or buildx" in build(text, *words, check=False, amd64="1", arm64="2").stderr
        return
    said, identity = tmp_path / "said", tmp_path / "id"
    words += ["--provenance", "mode=max", "--sbom", "true", "--annotation", "index:a=b", "-t", "many:1"]
    build(text, *words, "--metadata-file", str(said), "--iidfile", str(identity), amd64="1", arm64="2")
    told = json.loads(said.read_text())
    assert told["image.name"] == "docker.io/library/many:1"
    assert told["containerimage.digest"] == told["containerimage.descriptor"]["digest"]
    assert cli("builds", "inspect", "--format", "{{.Ref}}").stdout.strip() == told["buildx.build.ref"]
    assert docker("inspect", "-f", "{{.Id}}", "many:1").stdout.strip() == identity.read_text()
    tree = cli("image", "ls", "--tree", "many:1").stdout
    assert [line.split()[1] for line in tree.splitlines()[2:]] == ["linux/amd64", "linux/arm64"]
    cli("save", "-o", str(tmp_path / "a.tar"), "many:1")
    with tarfile.open(tmp_path / "a.tar") as tar:
        file = tar.extractfile(f"blobs/sha256/{told['containerimage.digest'][7:]}")
        assert file is not None
        index = json.load(file)
    assert (index["annotations"], len(index["manifests"])) == ({"a": "b"}, 4)
    failed = build(text, *words[:2], "-o", str(tmp_path / "out"), check=False)
    assert "need buildx" in failed.stderr


def test_the_history_of_builds(build: Build, daemon: DaemonProcess) -> None:
    cli = CommandLine("carrack", daemon)
    cli("builds", "rm", "--all")
    build("FROM busybox AS one\nRUN echo first words\nFROM busybox\nCOPY --from=one /bin/vi /x", "-t", "built:1")
    build("FROM busybox\nRUN echo last words; exit 7", check=False)
    assert cli("builds", "ls", "--format", "{{.Name}} {{.Status}} {{.Steps}}").stdout == (
        "Dockerfile failed 3/3\nbuilt:1 completed 4/4\n"
    )
    shown = cli("builds", "inspect", "^1").stdout
    assert "COPY --from=one /bin/vi /x < #2, #3" in shown
    assert cli("builds", "inspect", "--format", "{{.Error}}").stdout.endswith("exit code: 7\n")
    assert json.loads(cli("builds", "inspect", "--json").stdout)["Steps"][2]["Error"]
    assert " last words\n" in cli("builds", "logs").stdout
    assert " first words\n" in cli("builds", "logs", "^1").stdout
    removed = cli("builds", "rm", "--all").stdout
    assert len(removed.split()) == 2
    assert cli("builds", "inspect", check=False).returncode == 1
    missing = cli("builds", "logs", "none", check=False)
    assert (missing.returncode, "no build none is on record" in missing.stderr) == (1, True)


def test_only_changed_files_are_sent(build: Build, cli: Cli, docker: Cli, tmp_path: Path) -> None:
    """Changes that no time tells of, files that are gone, names that became links: all as in a context sent whole."""
    if cli.name == "docker":
        pytest.skip("docker's own client sends the whole context")
    folder = tmp_path / "context"
    files = {f"src__f{number:03}": f"{number:03}" for number in range(100)}
    text = "FROM busybox\nCOPY src /src\nRUN cat /src/* > /all"
    build(text, "-t", "built:1", **files)
    place = folder / "src/f007"
    before = place.stat()
    place.write_text("new")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "src/f008").unlink()
    (folder / "src/f009").unlink()
    (folder / "src/f009").symlink_to("f010")
    cli("build", "-t", "built:2", str(folder))
    shown = docker("run", "--rm", "built:2", "sh", "-c", "cat /all; ls /src | wc -l; readlink /src/f009").stdout
    expected = "".join("new" if n == 7 else "" if n == 8 else "010" if n == 9 else f"{n:03}" for n in range(100))
    assert shown == f"{expected}99\nf010\n"
    kept = [line for line in cli("system", "df", "-v").stdout.splitlines() if "source.local" in line]
    assert len(kept) == 1
    assert kept[0].split()[-2:] == ["2", "false"]
    assert "source.local" in docker("system", "df", "-v").stdout
