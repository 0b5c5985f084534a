"""CVE-2024-9675, 9407, 1753 and 11218: what a mount of a RUN names leads out: by ``..``, by links, by propagation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import DaemonProcess, Result

pytestmark = pytest.mark.root

EVIL = f"""FROM busybox AS evil
RUN mkdir /d /evil-marker && ln -s / /d/root && ln -s /etc /d/etc && ln -s {"../" * 30} /d/up
FROM busybox
"""


@pytest.mark.parametrize("name", ["../../../../escape", "/escape", "..", "."])
def test_cve_2024_9675_ids_of_caches(build: Callable[..., Result], daemon: DaemonProcess, name: str) -> None:
    build(f"FROM busybox\nRUN --mount=type=cache,id={name},target=/c touch /c/escaped-{len(name)}")
    places = [place.relative_to(daemon.root).parts for place in daemon.root.glob(f"**/escaped-{len(name)}")]
    assert [(parts[:3], parts[4:6]) for parts in places] == [(("data", "build", "mounts"), ("0", "files"))]


@pytest.mark.parametrize("source", ["../../../..", "/../..", "..//../."])
def test_cve_2024_1753_sources_with_dots(build: Callable[..., Result], source: str) -> None:
    shown = build(f"""{EVIL}RUN --mount=type=cache,source={source},target=/c,id=dots{len(source)} touch /c/inside
RUN --mount=type=cache,target=/c,id=dots{len(source)} --mount=from=evil,source={source},target=/e ls -d /c/* /e/evil*
""").stdout
    assert "\n/c/inside\n/e/evil-marker\n" in shown


@pytest.mark.parametrize("link", ["root", "etc", "up"])
@pytest.mark.parametrize("mount", ["from=evil", "from=evil,rw", "type=cache,from=evil,id=links"])
def test_cve_2024_1753_sources_behind_links(build: Callable[..., Result], link: str, mount: str) -> None:
    done = build(
        f"{EVIL}RUN --mount={mount},source=/d/{link},target=/m ls -d /m/* | grep -v -x -f /dev/null", check=False
    )
    assert done.returncode == 1
    assert "escapes the base directory" in done.stderr


def test_cve_2024_11218_a_target_behind_links_stays_in_the_image(build: Callable[..., Result], tmp_path: Path) -> None:
    build(f"""FROM busybox
RUN mkdir -p {tmp_path} && ln -s {"../" * 30}{str(tmp_path)[1:]} /t
RUN --mount=type=cache,target=/t/a --mount=type=bind,from=busybox,target=/../../{tmp_path}/b,rw touch /t/a/f /t/b/f
""")
    assert list(tmp_path.iterdir()) == []


def test_cve_2024_9407_no_mount_is_passed_on(build: Callable[..., Result]) -> None:
    shown = build("""FROM busybox
RUN --mount=type=cache,target=/c --mount=from=busybox,target=/b,rw --mount=type=tmpfs,target=/t \\
  echo "shared: $(grep -c -E 'shared:|master:' /proc/self/mountinfo)"
""").stdout
    assert "\nshared: 0\n" in shown
    for word in ("bind-propagation=shared", "propagation=rshared", "bind-nonrecursive"):
        refused = build(f"FROM busybox\nRUN --mount=from=busybox,target=/b,{word} true", check=False)
        assert refused.returncode == 1
        assert word.partition("=")[0] in refused.stderr


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/", "must not be the root"),
        ("/..", "must not be the root"),
        ("/proc", "only a procfs can be mounted on /proc"),
        ("/x/../proc/sys", "because it is inside /proc"),
    ],
)
def test_targets_over_what_guards_the_host(build: Callable[..., Result], target: str, said: str) -> None:
    done = build(f"FROM busybox\nRUN --mount=type=tmpfs,target={target} true", check=False)
    assert done.returncode == 1
    assert said in done.stderr
