"""What a configuration and a host come to."""

from pathlib import Path

import pytest

from carrack.daemon.config import Config
from carrack.daemon.facts import file_system, host_facts
from carrack.errors import InvalidArgument


def test_an_init_that_is_configured_goes_before_the_distributions() -> None:
    facts = host_facts(Config(init_path="/opt/init"))
    assert facts.init_path == "/opt/init"
    assert facts.cgroup_version in (1, 2)


def test_a_map_that_there_is_not_is_told_at_once() -> None:
    assert host_facts(Config()).remap is None
    with pytest.raises(InvalidArgument, match="userns-remap: there is no user"):
        host_facts(Config(userns_remap="nobody that there is"))


def test_the_kind_of_a_file_system() -> None:
    assert file_system(Path("/dev/shm")) == "tmpfs"
    assert file_system(Path("/proc")) == "<unknown>"
