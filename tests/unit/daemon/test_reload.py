"""SIGHUP's share of the configuration."""

from __future__ import annotations

import json
from pathlib import Path

from carrack.daemon.config import Config, load
from carrack.daemon.reload import attributes, reload


def test_only_reloadable_options_change(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps({"labels": ["a=1"], "mtu": 1400}))
    config = load(["--config-file", str(path), "--data-root", "/d"], {"NOTIFY_SOCKET": "/n"}).config
    path.write_text(json.dumps({"labels": ["a=2"], "mtu": 1300, "debug": True, "shutdown-timeout": 5}))
    changed = reload(config)
    assert (changed.labels, changed.debug, changed.shutdown_timeout) == (("a=2",), True, 5)
    assert (changed.mtu, str(changed.data_root), changed.notify_socket) == (1400, "/d", "/n")


def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    config = load(["--config-file", str(path)], {}).config
    path.write_text('{"colour": 1}')
    assert reload(config) is config


def test_the_event_tells_every_reloadable_option() -> None:
    told = attributes(Config(labels=("a=b",), live_restore=True))
    assert (told["labels"], told["live-restore"], told["shutdown-timeout"]) == ('["a=b"]', "true", "15")
