"""What the test suite says of the rows: by the marks of its tests, and by what it compares with a real Docker.

A row is seen by a test that names it; by the replay of recorded answers, where dockerd showed the field or was asked
with the parameter (`tests/api`); by the golden transcripts, where the docker command was given the flag and what it
answered was kept (`tests/cli`): but a flag of ``run``, ``create``, ``exec`` or ``update`` only by a test that names it,
as its effect shows inside. A field that such a flag sends is seen where the flag is.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.compare import unpacked
from tests.api.record import GOLDEN
from tests.api.requests import SCENARIOS
from tests.api.steps import Send, Step, Talk
from tests.census import said
from tests.census.rows import DATA, FIELDS, Row, answer, matches, table
from tests.cli import golden

from carrack.cli.flags import UsageError, parse
from carrack.cli.main import load
from carrack.cli.verbs import GROUPS, place
from carrack.daemon.options import OPTIONS

REPLAY = "tests/api/test_replay.py::test_answers_are_dockers"
TRANSCRIPTS = "tests/cli/test_golden.py::test_scenario"
#: what the effect of flags is to be seen of elsewhere than in a transcript
_BY_NAME_ONLY = ("run", "create", "exec", "update")
_FILTERED = {
    "ps": "/containers/json", "container prune": "/containers/prune", "image ls": "/images/json",
    "image prune": "/images/prune", "volume ls": "/volumes", "volume prune": "/volumes/prune",
    "network ls": "/networks", "network prune": "/networks/prune", "system events": "/events",
}  # fmt: skip
Evidence = dict[str, str]


def gather(rows: list[Row]) -> tuple[Evidence, set[str]]:
    """The test by each row's name, and the marks that name no row."""
    known = {row.name for row in rows}
    marks: Evidence = {}
    for name, test in sorted(marked().items(), key=lambda mark: "*" in mark[0]):  # a row's own name before a pattern
        for each in _named(name, known):
            marks.setdefault(each, test)
    found: Evidence = {**_recorded(), **_transcribed(), **marks}
    for flag, fields in said.FIELDS.items():
        if f"run --{flag}" in found:
            found.setdefault(f"create --{flag}", said.TEST)
            for field in fields:
                found.setdefault(field, found[f"run --{flag}"])
        if f"update --{flag}" in found:
            for field in fields:
                short = field.removeprefix("HostConfig.")
                found.setdefault(f"POST /containers/{{id}}/update {short}", found[f"update --{flag}"])
    for option in OPTIONS:  # one table for both ways to say it: tests/unit/daemon/test_config.py
        flag, key = f"dockerd --{option.flag}", f"daemon.json {option.key}"
        for name, other in ((flag, key), (key, flag)):
            if name in found:
                found.setdefault(other, found[name])
    return {name: test for name, test in found.items() if name in known}, {name for name in marks if name not in known}


class _Collector:
    """Keeps the marks of what pytest finds, and runs nothing."""

    def __init__(self) -> None:
        self.found: Evidence = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for mark in item.iter_markers("census"):
                for name in mark.args:
                    self.found.setdefault(str(name), _test(item))


def _test(item: pytest.Item) -> str:
    """What to call a test: a scenario by its name, other tests without their parameters."""
    if item.nodeid.startswith(TRANSCRIPTS) and isinstance(item, pytest.Function):
        return f"{TRANSCRIPTS}[{item.callspec.params['name']}]"
    return item.nodeid.partition("[")[0]


def marked() -> Evidence:
    """The first test that names each row."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "tests"], plugins=[collector])
    assert code == 0, output.getvalue()[-2000:]
    return collector.found


def _named(name: str, known: set[str]) -> list[str]:
    """The rows that a mark names: one, or with ``*`` in it all that match."""
    if "*" in name and name not in known:
        return sorted(other for other in known if matches(other, name)) or [name]
    return [_spelled(name, known)]


def _spelled(name: str, known: set[str]) -> str:
    """The row's own name for what a test may write shorter or by a synonym."""
    verb, _, rest = name.partition(" ")
    long = {
        "events": "system events",
        "info": "system info",
        "df": "system df",
        "images": "image ls",
        "rmi": "image rm",
    }
    long |= {word: f"image {word}" for word in ("history", "import", "load", "save", "tag")}
    group, _, behind = rest.partition(" ")
    others = (
        name,
        f"{long.get(verb, verb)} {rest}".strip(),
        rest if verb == "container" else name,
        f"ps {behind}".strip() if (verb, group) == ("container", "ls") else name,
        f"{verb} type {rest}",
        f"{verb} {behind}",
        name.replace("volume-create Volume.", "POST /volumes/create "),
    )
    found = next((other for other in others if other in known), "")
    begun = [] if found else [other for other in known if other.startswith(name)]
    return found or (begun[0] if len(begun) == 1 else name)


def _recorded() -> Evidence:
    """Endpoints, parameters and fields of answers that the recordings of a real dockerd hold."""
    fields: dict[str, list[str]] = {line["endpoint"]: [] for line in table(DATA / "endpoints.tsv")}
    for line in table(FIELDS):
        if line["in"] == "response":
            fields[f"{line['method']} {line['path']}"].append(line["field"])
    patterns = {name: _pattern(name) for name in fields}
    found: Evidence = {}
    for scenario, step, answers in _steps():
        target, _, query = step.target.partition("?")
        for name, pattern in patterns.items():
            good = [each for each in answers if each.get("status", 400) < 400]
            if good and pattern.fullmatch(f"{step.method} {target}"):
                test = f"{REPLAY}[{scenario}]"
                found.setdefault(name, test)
                for seen in (*_asked(name, query), *_sent(name, step), *_events(name, good)):
                    found.setdefault(seen, test)
                shown = {field for each in good for field in _shown(each.get("json"))}
                for field in fields[name]:
                    if _flat(field) in shown:
                        found.setdefault(answer(name, field), test)
    return found


def _pattern(endpoint: str) -> re.Pattern[str]:
    """A name of an image has slashes; that of a container has none, and is none of the fixed words."""
    text = re.escape(endpoint).replace(re.escape("{name}"), "[^?]+")
    return re.compile(re.sub(r"\\{[^}]*\\}", "(?!json$|create$|prune$|get$)[^/]+", text))


def _steps() -> Iterator[tuple[str, Step, list[dict[str, Any]]]]:
    for name, scenario in SCENARIOS.items():
        answers = json.loads((GOLDEN / f"{name}.json").read_text())["answers"]
        for step in scenario():
            if isinstance(step, Talk):
                yield from ((name, asked, [{"status": 200}]) for asked in _said(step))
            elif not step.hidden:
                yield name, step, list(unpacked(answers.get(step.name, {})).values())


def _said(talk: Talk) -> Iterator[Step]:
    """The requests of a conversation, which is compared as a whole."""
    for move in talk.moves:
        if isinstance(move, Send) and (line := re.match(rb"([A-Z]+) (?:/v[0-9.]+)?(/\S*) HTTP/1", move.data)):
            yield Step(talk.name, line[1].decode(), line[2].decode())


def _asked(endpoint: str, query: str) -> Iterator[str]:
    """The parameters of a query and its filters."""
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        yield f"{endpoint}?{name}"
        if name == "filters":
            with contextlib.suppress(ValueError):
                for filtered in json.loads(value) or ():
                    yield f"filter {endpoint.partition(' ')[2]} {filtered}"


def _sent(endpoint: str, step: Step) -> Iterator[str]:
    """The fields of a commit, whose effect the image shows; those of other requests a test has to name."""
    if endpoint == "POST /commit" and isinstance(step.json, dict):
        yield from (f"{endpoint} {field}" for field in _shown(step.json))


def _events(endpoint: str, answers: list[dict[str, Any]]) -> Iterator[str]:
    """The events that dockerd told, and we too."""
    if endpoint == "GET /events":
        for each in answers:
            for event in each.get("stream") or ():
                yield f"event {event['Type']} {event['Action'].partition(':')[0]}"


def _shown(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            for each in (key, "*"):
                below = f"{path}.{each}".strip(".")
                yield below
                yield from _shown(item, below)
    elif isinstance(value, list):
        for item in value:
            yield from _shown(item, path)


def _flat(field: str) -> str:
    """`[].Mounts[].Type` is `Mounts.Type`, `Networks{}.Gateway` is `Networks.*.Gateway`."""
    return field.replace("{}", ".*").replace("[]", "").strip(".")


def _transcribed() -> Evidence:
    """What the golden transcripts show: commands, flags of those that show or change what is there, filters, events."""
    found: Evidence = {}
    for scenario in golden.SCENARIOS:
        if scenario.startswith("refusals."):
            continue  # also what is let pass there does nothing
        test = f"{TRANSCRIPTS}[{scenario}]"
        for block in golden.path_of(scenario).read_text().split("\n\n"):
            line, _, told = block.partition("\n")
            if line.startswith("$ docker "):
                for name in _words(line.removeprefix("$ docker ").partition("   (")[0], told):
                    found.setdefault(name, test)
    return found


def _words(line: str, told: str) -> Iterator[str]:
    """The names of a command line's verb, of its flags, and of what it was told."""
    try:
        words = shlex.split(line)
    except ValueError:
        return
    group = words.pop(0) if words and words[0] in GROUPS else ""
    where = place(group, words[0]) if words else None
    if where is None:
        return
    command, verb = load(where), _verb(group, words[0], where)
    try:
        parsed = parse(command.flags, words[1:], interspersed=command.interspersed)
    except UsageError:
        return
    if not told.startswith("exit 0"):
        return  # a refusal shows no effect of what was given
    yield verb
    if verb not in _BY_NAME_ONLY:
        yield from (f"{verb} --{flag[0]}" for flag in command.flags if parsed.given(flag[0]))
    if verb in _FILTERED:
        yield from (f"filter {_FILTERED[verb]} {name}" for name, _ in parsed.value("filter") or ())
    if verb == "system events":
        events = re.finditer(r"\b(container|image|volume|network|daemon) ([a-z_-]+)", told)
        yield from (f"event {event[1]} {event[2]}" for event in events)


def _verb(group: str, word: str, where: str) -> str:
    """Docker's usual name of a verb: of a container without its group, of all others with it."""
    if word == "inspect" and not group:
        return "inspect"
    for each, (_, verbs) in GROUPS.items():
        for name, other in verbs.items():
            if other == where:
                if each != "container":
                    return f"{each} {name}"
                return {"ls": "ps", "prune": "container prune", "inspect": "container inspect"}.get(name, name)
    return word
