"""Log drivers and their options: what is refused in which words, what the shim is asked for, tags, attributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import container

from carrack.engine.containers import logconfig
from carrack.engine.containers.paths import Paths
from carrack.errors import CarrackError, Internal, InvalidArgument, NotSupported

ID = "1" * 64


def log(driver: str = "json-file", **options: str) -> dict[str, Any]:
    return {"Type": driver, "Config": {key.replace("_", "-"): value for key, value in options.items()}}


@pytest.mark.parametrize(
    ("driver", "options", "text"),
    [
        ("json-file", {"x": "y"}, "unknown log opt 'x' for json-file log driver"),
        ("local", {"tag": "y"}, "unknown log opt 'tag' for log driver local"),
        ("syslog", {"cache-foo": "y"}, "unknown log opt 'cache-foo' for syslog log driver"),
        ("nosuch", {}, 'error looking up logging plugin nosuch: plugin "nosuch" not found'),
        ("json-file", {"mode": "foo"}, "logger: logging mode not supported: foo"),
        (
            "json-file",
            {"mode": "blocking", "max-buffer-size": "1m"},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            "json-file",
            {"mode": "non-blocking", "max-buffer-size": "foo"},
            "error parsing option max-buffer-size: invalid size: 'foo'",
        ),
        ("syslog", {"cache-disabled": "foo"}, "invalid value for option cache-disabled: foo"),
        ("syslog", {"cache-max-file": "x"}, "invalid options of the log cache: invalid value for max-file: x: strconv.Atoi: parsing \"x\": invalid syntax"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_is_refused_when_a_container_is_made(driver: str, options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        logconfig.check(driver, options)
    assert str(refusal.value) == text


@pytest.mark.parametrize("driver", ["awslogs", "gcplogs", "etwlogs", "logentries"])
def test_drivers_that_there_are_not(driver: str) -> None:
    with pytest.raises(NotSupported, match=f"logging driver '{driver}' is not supported .*: use one of fluentd"):
        logconfig.check(driver, {})


def test_the_daemons_own_driver_and_options_complete_a_containers() -> None:
    given = log("")
    logconfig.complete(given, "syslog", {"tag": "t", "cache-max-file": "3"})
    assert given == log("syslog", tag="t", cache_max_file="3")
    other = log("json-file", tag="mine")
    logconfig.complete(other, "json-file", {"tag": "t", "max-size": "1m"})
    assert other == log("json-file", tag="mine", max_size="1m")
    foreign = log("gelf", gelf_address="udp://h:1")
    logconfig.complete(foreign, "local", {"max-size": "1m", "cache-disabled": "true"})
    assert foreign["Config"] == {"gelf-address": "udp://h:1", "cache-disabled": "true"}
    usual: dict[str, Any] = {"Type": "", "Config": {}}
    logconfig.complete(usual)
    assert usual == log()


@pytest.mark.parametrize(
    ("log", "readable"),
    [
        (log(), True),
        (log("local"), True),
        (log("none"), False),
        (log("syslog"), True),
        (log("syslog", cache_disabled="true"), False),
    ],
)
def test_whether_there_is_something_to_read(log: dict[str, Any], readable: bool) -> None:
    assert logconfig.readable(log) is readable


def made(tmp_path: Path, log: dict[str, Any], **config: Any) -> Any:
    c = container(1, {"Image": "im", "Cmd": ["sh", "-c", "x"], **config})
    c.host_config["LogConfig"] = log
    return logconfig.request(c, Paths(str(tmp_path), str(tmp_path)))


def test_a_log_is_bounded_unless_told_otherwise(tmp_path: Path) -> None:
    sizes = [
        (file["max_size"], file["max_file"])
        for file in (
            made(tmp_path, settings)["file"]
            for settings in (log(), log(max_size="4k"), log(max_size="1000t", max_file="2"), log("local"))
        )
    ]
    assert sizes == [(100_000_000, 5), (4000, 1), (10**15, 2), (20 << 20, 5)]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (log(max_size="0"), "max-size must be a positive number"),
        (log(max_size="foo"), "invalid size: 'foo'"),
        (log(max_size="-1"), "invalid size: '-1'"),
        (log(max_file="0"), "max-file cannot be less than 1"),
        (log(max_file="x"), 'strconv.Atoi: parsing "x": invalid syntax'),
        (log(compress="foo"), 'strconv.ParseBool: parsing "foo": invalid syntax'),
        (
            log(compress="true", max_size="1k"),
            "compress cannot be true when max-file is less than 2 or max-size is not set",
        ),
        (log("local", max_size="abc"), "invalid value for max-size: abc: invalid size: 'abc'"),
        (log("local", max_file="0", compress="false"), "max-file cannot be less than 1"),
        (log("local", max_file="1"), "compression cannot be enabled when max file count is 1"),
        (
            log("local", compress="x"),
            'error reading compress log option: strconv.ParseBool: parsing "x": invalid syntax',
        ),
        (log(tag="{{.ID"), "template: log-tag:1: unclosed action"),
        (
            log(tag="{{.Foo}}"),
            'template: log-tag:1:2: executing "log-tag" at <.Foo>: can\'t evaluate field Foo in type *logger.Info',
        ),
    ],
)
def test_what_is_refused_when_it_starts(tmp_path: Path, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(Internal) as refusal:
        made(tmp_path, settings)
    assert str(refusal.value) == f"failed to create task for container: failed to initialize logging driver: {text}"


def test_a_bad_pattern(tmp_path: Path) -> None:
    with pytest.raises(CarrackError, match=r"error parsing regexp: missing closing \): `\("):
        made(tmp_path, log(labels_regex="("), Labels={"a": "b"})


def test_labels_and_variables_are_chosen_and_their_values_are_only_text(tmp_path: Path) -> None:
    """CVE-2026-53488: what an image says in its labels is data; it is no template and chooses nothing."""
    labels = {"a": "{{.FullID}}\n", "b.c": '","stream":"', "other": "1", "tag": "forged"}
    settings = log(labels="a,nosuch,tag", labels_regex="^b", env="E", env_regex="^F", tag="{{.Name}}")
    request = made(tmp_path, settings, Labels=labels, Env=["E=1", "FOO=2", "BAR=3", "BARE"])
    assert json.loads(request["file"]["attributes"]) == {
        "a": "{{.FullID}}\n", "b.c": '","stream":"', "E": "1", "FOO": "2", "tag": "name1",
    }  # fmt: skip


def test_a_remote_driver_gets_values_only(tmp_path: Path) -> None:
    request = made(tmp_path, log("syslog", labels="a", cache_max_size="1k"), Labels={"a": "b"})
    logger = request["logger"]
    assert logger["blocking"] is True
    assert (logger["cache"]["kind"], logger["cache"]["max_size"], logger["cache"]["compress"]) == ("local", 1000, True)
    task = logger["task"]
    assert (task["driver"], task["attributes"], task["command"]) == ("syslog", {"a": "b"}, "sh -c x")
    assert task["options"] == {"labels": "a"}
    assert len(task["tag"]) == 12
    assert "cache" not in made(tmp_path, log("syslog", cache_disabled="true"))["logger"]
    assert made(tmp_path, log("none")) is None


def test_who_never_waits(tmp_path: Path) -> None:
    options = {"mode": "non-blocking"}
    assert made(tmp_path, log(**options))["logger"]["max_buffer"] == 1 << 20
    assert made(tmp_path, log("local", max_buffer_size="4k", **options))["logger"]["max_buffer"] == 4096
    logger = made(tmp_path, log("fluentd", fluentd_async="true", fluentd_buffer_limit="9"))["logger"]
    assert (logger["blocking"], logger["max_messages"]) == (False, 9)


def test_tags_have_dockers_fields() -> None:
    c = container(1, {"Image": "im", "Cmd": ["x"]})
    text = "{{.ID}} {{.FullID}} {{.Name}} {{.ImageID}} {{.ImageFullID}} {{.ImageName}} {{.DaemonName}} {{upper .Name}}"
    found = logconfig.tag(c, text).split()
    assert found == [
        c.id[:12], c.id, c.name, c.image_id[:12], c.image_id, "im", "docker", c.name.upper(),
    ]  # fmt: skip


def test_a_status_is_what_the_logger_left(tmp_path: Path) -> None:
    c = container(1, {"Image": "im", "Cmd": ["x"]})
    paths = Paths(str(tmp_path), str(tmp_path))
    assert logconfig.status(c, paths) is None
    c.host_config["LogConfig"] = log(mode="non-blocking")
    assert logconfig.status(c, paths) is None
    file = Path(paths.data(c.id)) / "log-status"
    file.parent.mkdir(parents=True)
    file.write_text('{"dropped": 3, "lost": 1, "error": "no"}')
    assert logconfig.status(c, paths) == {"Dropped": 3, "Lost": 1, "Error": "no"}
    file.write_text("[]")
    assert logconfig.status(c, paths) is None
