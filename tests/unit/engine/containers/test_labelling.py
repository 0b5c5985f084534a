"""Which of the mounts of a container get a label, and which; labels are kept in a dictionary here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import container, point

from carrack.engine.containers import labelling
from carrack.engine.containers.record import Container
from carrack.errors import InvalidArgument
from carrack.linux import selinux
from carrack.oci.runtime_spec import Mount

OWN, SHARED = "u:object_r:file_t:s0:c1,c2", "u:object_r:file_t:s0"


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given: dict[str, str] = {}
    monkeypatch.setattr(selinux, "relabel", given.__setitem__)
    monkeypatch.setattr(selinux, "label_of", lambda path: given.get(path, ""))
    return given


def bind(target: str, source: object) -> Mount:
    return {"destination": target, "type": "bind", "source": str(source), "options": ["rbind"]}


def labelled(mode: str, kind: str, source: Path, **more: Any) -> Container:
    c = container(1, {"HostConfig": more})
    c.mount_label = OWN
    c.mounts = [{**point("/m"), "Type": kind, "Mode": mode, "Source": str(source), "Driver": "local"}]
    return c


@pytest.mark.parametrize(
    ("mode", "kind", "label"),
    [
        ("", "bind", None),
        ("ro", "bind", None),
        ("z", "bind", SHARED),
        ("ro,Z", "bind", OWN),
        ("", "volume", SHARED),
        ("Z", "volume", OWN),
    ],
)
def test_binds_by_their_mode_and_volumes_shared(
    tmp_path: Path, labels: dict[str, str], mode: str, kind: str, label: str | None
) -> None:
    labelling.apply(labelled(mode, kind, tmp_path), [bind("/m", tmp_path), {"destination": "/t", "type": "tmpfs"}])
    assert labels.get(str(tmp_path)) == label


def test_volumes_that_a_container_has_had_stay_as_they_are(tmp_path: Path, labels: dict[str, str]) -> None:
    labels[str(tmp_path)] = "u:object_r:file_t:s0:c8,c9"
    labelling.apply(labelled("", "volume", tmp_path), [bind("/m", tmp_path)])
    assert labels == {str(tmp_path): "u:object_r:file_t:s0:c8,c9"}
    labelling.apply(labelled("", "volume", tmp_path), [bind("/m", "/mounted/elsewhere")])
    assert "/mounted/elsewhere" not in labels


def test_name_files_are_the_containers_or_shared_by_who_joins(tmp_path: Path, labels: dict[str, str]) -> None:
    mounts = [bind("/etc/hosts", tmp_path / "hosts"), bind("/sbin/docker-init", "/usr/bin/tini")]
    labelling.apply(labelled("", "bind", tmp_path), mounts)
    assert labels == {str(tmp_path / "hosts"): OWN}
    labelling.apply(labelled("", "bind", tmp_path, NetworkMode="container:x"), mounts)
    assert labels == {str(tmp_path / "hosts"): SHARED}


@pytest.mark.parametrize("place", ["/", "/etc", "/usr/bin/.."])
def test_what_is_the_systems_own_is_refused(labels: dict[str, str], place: str) -> None:
    with pytest.raises(InvalidArgument, match=r"SELinux relabeling of /(etc|usr)? is not allowed"):
        labelling.apply(labelled("z", "bind", Path(place)), [bind("/m", place)])
    assert labels == {}


def test_a_label_that_the_kernel_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, label: str) -> None:
        raise OSError(22, "Invalid argument", path)

    monkeypatch.setattr(selinux, "relabel", refuse)
    with pytest.raises(InvalidArgument, match=r"error setting label on mount source .*: invalid argument"):
        labelling.apply(labelled("Z", "bind", tmp_path), [bind("/m", tmp_path)])


def test_without_a_label_nothing_is_touched(tmp_path: Path, labels: dict[str, str]) -> None:
    c = labelled("Z", "bind", tmp_path)
    c.mount_label = ""
    labelling.apply(c, [bind("/m", tmp_path)])
    assert labels == {}
