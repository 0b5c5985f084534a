"""SIGHUP's share of the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carrack.daemon.config import Config, load
from carrack.daemon.reload import attributes, reload


def test_only_reloadable_options_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps({"labels": ["a=1"], "mtu": 1400}))
    config = load(["--config-file", str(path), "--data-root", "/d"], {"NOTIFY_SOCKET": "/n"}).config
    path.write_text(json.dumps({"labels": ["a=2"], "mtu": 1300, "debug": True, "shutdown-timeout": 5}))
    with caplog.at_level("INFO"):
        changed = reload(config)
    assert "these changes wait until the daemon is started again: mtu" in caplog.text
    assert (changed.labels, changed.debug, changed.shutdown_timeout) == (("a=2",), True, 5)
    assert (changed.network.mtu, str(changed.data_root), changed.notify_socket) == (1400, "/d", "/n")


def test_the_rules_of_the_build_cache_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    config = load(["--config-file", str(path)], {}).config
    path.write_text(json.dumps({"builder": {"gc": {"enabled": False}, "entitlements": {"network-host": False}}}))
    with caplog.at_level("INFO"):
        changed = reload(config)
    assert not changed.builder_gc.enabled
    assert "wait until the daemon is started again: entitlements" in caplog.text


def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    config = load(["--config-file", str(path)], {}).config
    path.write_text('{"colour": 1}')
    assert reload(config) is config


def test_the_event_tells_every_reloadable_option() -> None:
    told = attributes(Config(labels=("a=b",), live_restore=True, features={"cdi": True, "buildkit": False}))
    assert (told["labels"], told["live-restore"], told["shutdown-timeout"]) == ('["a=b"]', "true", "15")
    assert (told["features"], told["default-shm-size"]) == ("map[buildkit:false cdi:true]", "67108864")


def test_of_the_containers_defaults_those_change_that_count_when_one_is_made(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    config = load(["--config-file", str(path)], {}).config
    path.write_text(json.dumps({"default-shm-size": "1m", "default-ipc-mode": "shareable", "init": True}))
    changed = reload(config).containers
    assert (changed.shm_size, changed.ipc_mode, changed.init) == (1 << 20, "shareable", False)


def test_a_default_runtime_that_there_is_not_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    config = load(["--config-file", str(path)], {}).config
    path.write_text('{"runtimes": {"mine": {"path": "/x"}}, "default-runtime": "gone", "debug": true}')
    assert reload(config) is config
    path.write_text('{"runtimes": {"mine": {"path": "/x"}}, "default-runtime": "mine"}')
    assert (reload(config).default_runtime, list(reload(config).runtimes)) == ("mine", ["mine"])


def test_rules_of_garbage_collection_are_reloaded(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    config = load(["--config-file", str(path)], {}).config
    path.write_text('{"gc": {"keep-last": 2}}')
    assert reload(config).gc.keep_last == 2
