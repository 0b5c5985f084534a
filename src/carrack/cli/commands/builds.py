"""``carrack builds``: the builds of this daemon, how they went and what they told."""

from carrack.cli.command import Command, write, write_error
from carrack.cli.render.fields import FORMAT, ago, wanted_form
from carrack.cli.render.table import print_rows
from carrack.client import builds
from carrack.errors import CarrackError, InvalidArgument
from carrack.model import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_HEADINGS = {
    "ID": "ID", "Name": "NAME", "Status": "STATUS", "Steps": "STEPS", "Created": "CREATED", "Duration": "DURATION",
    "Ref": "REF", "Error": "ERROR", "Warnings": "WARNINGS",
}  # fmt: skip
_TABLE = "ID Name Status Steps Created Duration"
_SHORT = 12
_WIDE = 32  # columns of the time line
_NAME = 60


def _list(session: "Session", parsed: "Parsed") -> int:
    found = builds.listing(session.daemon)
    form = wanted_form(parsed)
    if parsed.flag("quiet"):
        for each in found:
            write(each["Ref"])
        return 0
    print_rows([_row(each) for each in found], _HEADINGS, _TABLE, form, "*formatter.buildContext")
    return 0


def _row(record: "Document") -> "dict[str, Any]":
    cached = f" ({record['Cached']} cached)" if record["Cached"] else ""
    return {
        "ID": record["Ref"][:_SHORT],
        "Ref": record["Ref"],
        "Name": _name(record),
        "Status": record["Status"],
        "Steps": f"{record['Done']}/{record['Total']}{cached}",
        "Created": ago(times.parse(record["Created"]) / 1e9),
        "Duration": _seconds(record["Nanoseconds"]),
        "Error": record["Error"],
        "Warnings": str(record["Warnings"]),
    }


def _name(record: "Document") -> str:
    """The first name of what was built, else where its context lies, or its Dockerfile, and its target."""
    if record["Names"]:
        return str(record["Names"][0])
    target = record["Attributes"].get("target", "")
    source = record["Attributes"].get("context") or record["Attributes"].get("filename", "Dockerfile")
    return f"{source}" + (f" ({target})" if target else "")


def _inspect(session: "Session", parsed: "Parsed") -> int:
    name = parsed.arguments[0] if parsed.arguments else "^0"
    if parsed.flag("json") or parsed.text("format"):
        from carrack.cli.commands.inspect import show

        return show([name], lambda each: builds.inspect(session.daemon, each), parsed)
    record = builds.inspect(session.daemon, name)
    for title, value in _about(record):
        write(f"{title + ':':<12} {value}")
    write("")
    for line in graph(record["Steps"]):
        write(line)
    return 0


def _about(record: "Document") -> "list[tuple[str, str]]":
    attributes = record["Attributes"]
    arguments = [f"{key[10:]}={value}" for key, value in sorted(attributes.items()) if key.startswith("build-arg:")]
    result = record["Answer"].get("containerimage.digest") or record["Answer"].get("containerimage.config.digest", "")
    told = [
        ("Build", record["Ref"]),
        ("Names", ", ".join(record["Names"])),
        ("Dockerfile", attributes.get("filename", "")),
        ("Context", attributes.get("context", "")),
        ("Target", attributes.get("target", "")),
        ("Platform", attributes.get("platform", "")),
        ("Arguments", ", ".join(arguments)),
        ("Started", record["Created"]),
        ("Duration", _seconds(record["Nanoseconds"])),
        ("Status", record["Status"]),
        ("Error", record["Error"]),
        ("Result", result),
        ("Steps", f"{record['Done']} of {record['Total']} done, {record['Cached']} of them from the cache"),
        ("Warnings", str(record["Warnings"] or "")),
    ]
    return [(title, value) for title, value in told if value]


def graph(steps: "list[Document]") -> "list[str]":
    """The steps of a build, numbered: what each waited for, how long it took, and when, on one line of time::

    #1 [1/2] FROM busybox                   0.01s  |#                   |
    #2 [2/2] RUN make            < #1       1.20s  |##################  |
    """
    numbers = {step["Digest"]: number for number, step in enumerate(steps, 1)}
    moments = [(times.parse(step["Started"]), step) for step in steps]
    first = min((at for at, _ in moments), default=0)
    last = max((at + step["Nanoseconds"] for at, step in moments), default=0)
    lines, width = [], max(1, last - first)
    names = [_shown(step, numbers) for step in steps]
    wide = max(map(len, names), default=0)
    for (at, step), name in zip(moments, names, strict=True):
        begin = min(_WIDE - 1, (at - first) * _WIDE // width)
        end = max(begin + 1, min(_WIDE, -(-(at + step["Nanoseconds"] - first) * _WIDE // width)))
        bar = " " * begin + ("·" if step["Cached"] else "█") * (end - begin)
        took = "CACHED" if step["Cached"] else "running" if not step["Completed"] else _seconds(step["Nanoseconds"])
        lines.append(f"{name:<{wide}}  {took:>8}  ▕{bar:<{_WIDE}}▏{'  ERROR' if step['Error'] else ''}")
    return lines


def _shown(step: "Document", numbers: "dict[str, int]") -> str:
    name = " ".join(step["Name"].split())
    name = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
    before = [f"#{numbers[digest]}" for digest in step["Inputs"] if digest in numbers]
    after = f" < {', '.join(before)}" if before else ""
    return f"#{numbers[step['Digest']]} {name}{after}"


def _logs(session: "Session", parsed: "Parsed") -> int:
    """As BuildKit's plain progress: each line with the number of its step."""
    numbers: dict[str, int] = {}
    began: dict[str, int] = {}
    for event in builds.logs(session.daemon, parsed.arguments[0] if parsed.arguments else "^0"):
        vertex, do = event["vertex"], event["do"]
        number = numbers.setdefault(vertex, len(numbers) + 1) if vertex else 0
        if do == "start":
            began[vertex] = event["at"]
            write(f"#{number} {event['name']}")
        elif do == "log":
            passed = (event["at"] - began.get(vertex, event["at"])) / 1e9
            for line in event["text"].splitlines():
                write(f"#{number} {passed:.3f} {line.encode('utf-8', 'surrogateescape').decode('utf-8', 'replace')}")
        elif do == "end":
            took = _seconds(event["at"] - event["began"])
            ending = "CACHED" if event["cached"] else f"ERROR: {event['error']}" if event["error"] else f"DONE {took}"
            write(f"#{number} {ending}\n")
        elif do == "warn":
            write(f"WARNING: {event['text']}" + (f" (line {event['line']})" if event["line"] else ""))
    return 0


def _remove(session: "Session", parsed: "Parsed") -> int:
    wanted = parsed.arguments
    if parsed.flag("all"):
        if wanted:
            raise InvalidArgument("--all removes every build: give no names beside it")
        wanted = [each["Ref"] for each in builds.listing(session.daemon) if each["Status"] != "running"]
    elif not wanted:
        raise InvalidArgument("name a build, or use --all; `carrack builds ls` shows them")
    failed = False
    for ref in wanted:
        try:
            builds.remove(session.daemon, ref)
            write(ref)
        except CarrackError as error:
            write_error(str(error))
            failed = True
    return int(failed)


def _seconds(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    if seconds < 60:
        return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.1f}s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02}s"


LIST = Command(
    "[OPTIONS]",
    "List the builds on record, newest first",
    _list,
    (*FORMAT, ("quiet", "q", "bool", "Only display names of builds")),
    most=0,
    example="carrack builds ls\ncarrack builds ls --format '{{.Ref}} {{.Status}}'",
)
INSPECT = Command(
    "[OPTIONS] [BUILD]",
    "Show how a build went, step by step (the last one by default, ^1 the one before)",
    _inspect,
    FORMAT,
    most=1,
    example="carrack builds inspect\ncarrack builds inspect ^1 --json",
)
LOGS = Command(
    "[BUILD]",
    "Show what a build told (the last one by default)",
    _logs,
    (),
    most=1,
    example="carrack builds logs",
)
REMOVE = Command(
    "[OPTIONS] [BUILD...]",
    "Remove builds from the history; images and cache stay",
    _remove,
    (("all", "a", "bool", "Remove all that are over"),),
    most=None,
    example="carrack builds rm --all",
)
