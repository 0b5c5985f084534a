"""Caches that one engine exports and another imports: a real dockerd, where there is one (``CARRACK_PEERS``), and ours.

Each has done nothing of a build before, and takes every step of it from the other's cache. Left out for a reason:
repositories that are kept with their ``.git``, which is written by git and by dockerd otherwise than by ours.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.builds import dockerd, record
from tests.cli import busybox
from tests.cli.running import DaemonProcess
from tests.clients import packages
from tests.fakes.elsewhere import Repository, git_daemon, web
from tests.fakes.podman import root_of_others

pytestmark = pytest.mark.root

LIMITS = ("--ulimit", "nofile=100:200", "--ulimit", "nproc=500", "--shm-size", "64m", "--cgroup-parent")
ROOT = Path(__file__).parents[2]
HELLO = b"hello\n"


@dataclass(frozen=True, slots=True)
class Places:
    """What both can reach: an image's name, a web server, and a repository's address; ``cgroup`` ends with ours."""

    base: str
    files: str
    repository: str
    cgroup: str


class Engine:
    """One that builds by buildx."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __call__(self, *words: str, given: bytes = b"") -> str:
        """What a docker command tells beside its result."""
        done = subprocess.run(
            ["docker", *words], input=given, env=self._environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stderr.decode()

    def build(self, folder: Path, *words: str) -> str:
        """What a build tells that keeps nothing but its cache."""
        return self("buildx", "build", "--progress=plain", "--output=type=cacheonly", *words, str(folder))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Engine], Places]]:
    """The engines by name, with the same image of a registry each."""
    if why := dockerd.missing():
        pytest.skip(why)
    archive = busybox.root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    host = dockerd.HERE
    with ExitStack() as stack:
        flags = ("--feature", "containerd-snapshotter=true", "--insecure-registry", f"{host}/32")
        theirs = dockerd.Dockerd(tmp_path_factory.mktemp("dockerd"), outside=True, flags=flags)
        stack.callback(theirs.close)
        registry = stack.enter_context(_registry(tmp_path_factory.mktemp("registry"), host))
        reached = ("--insecure-registry", registry, "--no-proxy", host)
        ours = DaemonProcess(tmp_path_factory.mktemp("daemon"), *reached)
        stack.callback(ours.stop)
        ours.start()
        try:
            environments = [stack.enter_context(record.client(each)) for each in (theirs.host, f"unix://{ours.socket}")]
        except packages.NotToBeHad as problem:
            pytest.skip(str(problem))
        engines = dict(zip(("dockerd", "ours"), map(Engine, environments), strict=True))
        base = f"{registry}/base:1"
        engines["ours"]("import", "-", base, given=archive)
        engines["ours"]("push", "-q", base)
        engines["dockerd"]("pull", "-q", base)
        files = stack.enter_context(web({"/hello": HELLO, "/in.tar": _tar()}, host))
        repository = _repository(tmp_path_factory.mktemp("git"), stack, host)
        yield engines, Places(base, files, repository, f"{ours.cgroup}/shared")


@contextmanager
def _registry(root: Path, host: str) -> Iterator[str]:
    """Ours, which answers also those that try TLS first so that they see that it has none."""
    words = [sys.executable, str(ROOT / "bin" / "carrack"), "registry", "serve", "--root", str(root)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        [*words, "--listen", f"{host}:0"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            said = next(line for line in process.stderr if "listens on http://" in line)
            yield said.strip().rpartition("/")[2]
        finally:
            process.terminate()


def _repository(folder: Path, stack: ExitStack, host: str) -> str:
    """ "" where one of the engines has no git."""
    if not shutil.which("git") or not (Path(root_of_others()) / "usr/bin/git").exists():
        return ""
    repository = Repository(folder / "repositories/app")
    repository.commit({"readme": "hi\n", "sub/deep": "1\n"})
    repository.git("tag", "v1")
    return f"{stack.enter_context(git_daemon(folder / 'repositories', host=host))}/app"


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("in")
        member.size, member.mode, member.uid = 1, 0o640, 5
        archive.addfile(member, io.BytesIO(b"i"))
    return out.getvalue()


def dockerfile(places: Places, own: str) -> str:
    """One whose steps nobody has done yet, for ``own`` is in all of them."""
    lines = [
        f"FROM {places.base}",
        f"RUN --network=none ulimit -n > /{own}1",
        f"ADD --checksum=sha256:{hashlib.sha256(HELLO).hexdigest()} {places.files}/hello /{own}2/",
        f"ADD --chmod=600 --chown=3:4 {places.files}/hello?again /{own}3",
        f"ADD {places.files}/in.tar {places.files}/hello /{own}4/",
        f"ADD --link {places.files}/hello /{own}5/",
        f"RUN --network=none --mount=type=tmpfs,target=/t --mount=type=cache,target=/c cat /{own}3 > /{own}6",
    ]
    if places.repository:
        lines += [
            f"ADD {places.repository}#v1 /{own}7",
            f"ADD --link {places.repository}#main:sub /{own}8",
            f"RUN --network=none cat /{own}7/readme > /{own}9",
        ]
    return "\n".join(lines) + "\n"


def states(shown: str) -> dict[str, str]:
    """How each step has ended; of what has the same name (as what it fetches has) the last."""
    names = dict(re.findall(r"^#(\d+) (\[[^]]*\d/\d+\] (?:RUN|ADD) .*)$", shown, re.MULTILINE))
    ends = dict(re.findall(r"^#(\d+) (CACHED|DONE)\b", shown, re.MULTILINE))
    return {names[number]: ends.get(number, "") for number in sorted(names, key=int)}


@pytest.mark.parametrize("kind", ["local", "registry"])
@pytest.mark.parametrize(("giver", "taker"), [("dockerd", "ours"), ("ours", "dockerd")])
def test_each_step_comes_from_the_others_cache(
    everything: tuple[dict[str, Engine], Places], kind: str, giver: str, taker: str, tmp_path: Path
) -> None:
    engines, places = everything
    context = tmp_path / "context"
    context.mkdir()
    text = dockerfile(places, f"{kind}{giver}")
    (context / "Dockerfile").write_text(text)
    name = f"ref={places.base.partition('/')[0]}/cache:{giver}"
    to, back = (f"dest={tmp_path}/c", f"src={tmp_path}/c") if kind == "local" else (name, name)
    limits = (*LIMITS, places.cgroup)
    engines[giver].build(context, *limits, "--cache-to", f"type={kind},{to},mode=max")
    found = states(engines[taker].build(context, *limits, "--cache-from", f"type={kind},{back}"))
    assert set(found.values()) == {"CACHED"}, found
    assert len(found) == text.count("\n") - 1
