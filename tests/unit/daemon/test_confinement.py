"""What the daemon tells of the host's security."""

from __future__ import annotations

import pytest

from carrack.daemon import confinement
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.privileges import Security
from carrack.engine.spec import HostFacts
from carrack.linux import apparmor, selinux


def test_in_dockers_order() -> None:
    given = ContainerDefaults(security=Security(False, None, True, "docker-default"), seccomp_source="unconfined")
    assert confinement.security_options(HostFacts(40, 2, given=given)) == (
        "name=apparmor",
        "name=seccomp,profile=unconfined",
        "name=cgroupns",
        "name=no-new-privileges",
    )
    assert confinement.security_options(HostFacts(40, 1)) == ("name=seccomp,profile=builtin",)


def test_a_machine_that_could_confine_is_told_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(apparmor, "enabled", lambda: True)
    confinement.load_profile("")
    assert "package apparmor" in caplog.text


def test_labels_only_where_the_kernel_has_a_policy_for_containers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert confinement.labels(False) is None
    monkeypatch.setattr(selinux, "enabled", lambda: False)
    assert confinement.labels(True) is None
    assert "runs no SELinux policy" in caplog.text
    monkeypatch.setattr(selinux, "enabled", lambda: True)
    monkeypatch.setattr(selinux, "contexts", lambda: None)
    assert confinement.labels(True) is None
    assert "no lxc_contexts" in caplog.text
    found = selinux.Contexts("u:r:p:s0", "u:r:f:s0", "u:r:o:s0")
    monkeypatch.setattr(selinux, "contexts", lambda: found)
    given = ContainerDefaults(selinux=confinement.labels(True))
    told = confinement.security_options(HostFacts(40, 1, given=given))
    assert told == ("name=seccomp,profile=builtin", "name=selinux")
