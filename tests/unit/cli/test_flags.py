from __future__ import annotations

import os

import pytest

from carrack.cli.flags import Flag, UsageError, parse

FLAGS: tuple[Flag, ...] = (
    ("detach", "d", "bool", "d"),
    ("interactive", "i", "bool", "i"),
    ("tty", "t", "bool", "t"),
    ("name", "", "string", "n"),
    ("publish", "p", "list", "p"),
    ("memory", "m", "bytes", "m"),
    ("last", "n", "int", "n"),
    ("label", "l", "map", "l"),
    ("filter", "f", "filter", "f"),
    ("cpus", "", "decimal", "c"),
    ("wait", "", "duration", "w"),
    ("weight", "", "uint16", "w"),
    ("ulimit", "", "ulimit", "u"),
    ("platform", "", "strings", "p"),
    ("mount", "", "mount", "m"),
    ("read", "", "throttle", "r"),
    ("share", "", "weight", "s"),
    ("timeout", "", "int", "t"),
    ("time", "", "int", ""),
)


def test_every_way_of_writing_a_flag() -> None:
    words = ["-it", "-p80:80", "-p", "90", "-p=91", "--name=x", "a", "--detach=false", "-n", "3", "--", "-d", "b"]
    parsed = parse(FLAGS, words)
    assert (parsed.flag("interactive"), parsed.flag("tty"), parsed.flag("detach", True)) == (True, True, False)
    assert parsed.words("publish") == ["80:80", "90", "91"]
    assert (parsed.text("name"), parsed.number("last")) == ("x", 3)
    assert parsed.arguments == ["a", "-d", "b"]
    assert not parsed.given("memory")
    assert (parsed.text("memory"), parsed.number("memory"), parsed.words("label")) == ("", None, [])


def test_flags_end_at_the_first_argument_where_a_command_follows() -> None:
    parsed = parse(FLAGS, ["-i", "busybox", "-t", "--name"], interspersed=False)
    assert (parsed.flag("tty"), parsed.arguments) == (False, ["busybox", "-t", "--name"])
    assert parse(FLAGS, ["-"]).arguments == ["-"]


def test_values_are_converted() -> None:
    words = "-m 64m --cpus 1.5 --wait 1m --weight 9 -l a=b -l c=d=e -f status=up --platform a,b --time 3".split()
    parsed = parse(FLAGS, [*words, "--ulimit", "nofile=1:2", "--read", "/dev/a:1k", "--share", "/dev/a:5", "-m", "1k"])
    assert (parsed.value("memory"), parsed.value("cpus"), parsed.value("wait")) == (1024, 1_500_000_000, 60 * 10**9)
    assert (parsed.value("weight"), parsed.value("label")) == (9, [("a", "b"), ("c", "d=e")])
    assert parsed.value("filter") == [("status", "up")]
    assert (parsed.value("platform"), parsed.number("timeout")) == (["a", "b"], 3)
    assert parsed.value("ulimit") == [{"Name": "nofile", "Soft": 1, "Hard": 2}]
    assert parsed.value("read") == [{"Path": "/dev/a", "Rate": 1024}]
    assert parsed.value("share") == [{"Path": "/dev/a", "Weight": 5}]
    assert parse(FLAGS, ["--mount", "target=/x"]).value("mount") == [{"Type": "volume", "Target": "/x"}]
    (mount,) = parse(FLAGS, ["--mount", "type=bind,src=./here,target=/x"]).value("mount")
    assert mount["Source"] == f"{os.getcwd()}/here"
    assert parse(FLAGS, ["-h"]).flag("help")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-iz"], "unknown shorthand flag: 'z' in -z"),
        (["--name"], "flag needs an argument: --name"),
        (["-p"], "flag needs an argument: 'p' in -p"),
        (["-m", "x"], 'invalid argument "x" for "-m, --memory" flag: invalid size: \'x\''),
        (["-n", "x"], 'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["-n", "9" * 20], "value out of range"),
        (["--detach=maybe"], 'strconv.ParseBool: parsing "maybe": invalid syntax'),
        (["--weight", "65536"], "value out of range"),
        (["--weight", "-1"], "invalid syntax"),
        (["-l", "a"], "must be formatted as key=value"),
        (["-f", "a"], "bad format of filter"),
        (["--ulimit", "nofile"], "invalid ulimit argument"),
        (["--ulimit", "nofile=x"], "invalid syntax"),
        (["--ulimit", "nofile=3:2"], "soft limit must be less than or equal to hard limit"),
        (["--read", "sda:1"], "bad format for device path"),
        (["--share", "sda:1"], "bad format for device path"),
        (["--wait", "1"], "missing unit in duration"),
        (["--mount", "type=bind"], "target is required"),
    ],
)
def test_refusals(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(FLAGS, words)
    assert message in str(refusal.value)
    assert refusal.value.exit_code == 125
