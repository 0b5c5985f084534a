"""``carrack events``: what happens in the daemon, as it happens."""

import sys
import time

from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.cli.render.fields import FILTER, FORMAT, wanted_filters, wanted_form
from carrack.client import document, system
from carrack.errors import InvalidArgument
from carrack.model.units import NANOSECONDS, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document


_GO_NAMES = ("ID", "Time", "Status", "From", "Scope", "TimeNano")


def _events(session: "Session", parsed: "Parsed") -> int:
    now = time.time()
    query: dict[str, Any] = {
        name: timestamp(parsed.text(name), now) for name in ("since", "until") if parsed.text(name)
    }
    query["filters"] = wanted_filters(parsed) or None
    show = _renderer(wanted_form(parsed))
    for event in system.events(session.daemon, query):
        write(show(event))
        sys.stdout.flush()
    return 0


def line(event: "Document") -> str:
    """``2026-11-21T05:15:34.695335007Z container start 8ba4… (image=busybox, name=web)``."""
    nanoseconds = event.get("timeNano") or event.get("time", 0) * NANOSECONDS
    actor = event.get("Actor") or {}
    attributes = ", ".join(f"{key}={value}" for key, value in sorted((actor.get("Attributes") or {}).items()))
    parts = [_moment(nanoseconds), event.get("Type", ""), event.get("Action", ""), actor.get("ID", "")]
    return " ".join(parts) + (f" ({attributes})" if attributes else "")


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    shown = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest:09d}{shown}"


def _renderer(form: str) -> "Callable[[Document], str]":
    if form == "":
        return line
    if form == "json":
        return document.dumps
    from carrack.cli.render.evaluate import Template
    from carrack.cli.render.functions import Row

    class Event(Row):
        """An event with the names that Go has for its fields; as JSON it is what came."""

        def json(self) -> str:
            return document.dumps({key: value for key, value in self.items() if key not in _GO_NAMES})

    template = Template(form, "*events.Message")

    def show(event: "Document") -> str:
        known = {
            "ID": event.get("id", ""), "Time": event.get("time"), "Status": event.get("status", ""),
            "From": event.get("from", ""), "Scope": event.get("scope", ""), "TimeNano": event.get("timeNano"),
        }  # fmt: skip
        try:
            return template.render(Event({**event, **known}))
        except InvalidArgument as error:
            raise Exit(64, f"Error parsing format: {error}") from error

    return show


EVENTS = Command(
    "[OPTIONS]",
    "Get real time events from the server",
    _events,
    (
        FILTER,
        *FORMAT,
        ("since", "", "string", "Show all events created since timestamp"),
        ("until", "", "string", "Stream events until this timestamp"),
    ),
    example="carrack events --since 1h --filter type=container",
)
