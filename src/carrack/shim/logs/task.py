"""What a log driver is told of its container and by whom it is used. Values only: templates and choices of labels were
evaluated by the daemon, so that nothing of an image is more than a text here."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from carrack.shim.logs.lines import Message


class Driver:
    """Carries messages to one place."""

    #: seconds without another message after which ``flush`` is called; None: never
    linger: float | None = None

    #: messages that the server has not taken yet
    held = 0

    def connect(self) -> None:
        """Raises OSError or CarrackError, which fails the container's start."""

    def send(self, message: Message) -> None:
        """May wait. Raises OSError when the message is lost."""
        raise NotImplementedError

    def flush(self) -> None:
        """Send what was held back; also called at the end."""

    def close(self) -> None:
        """Let go of the server."""


class Lost(OSError):
    """So many messages were given up (none: they are still held); the text says why."""

    def __init__(self, text: str, messages: int) -> None:
        super().__init__(text)
        self.messages = messages


class Task:
    """One container's: ``tag`` is rendered, ``attributes`` are the chosen labels and variables."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.driver: str = document["driver"]
        self.options: dict[str, str] = document.get("options") or {}
        self.tag: str = document.get("tag", "")
        self.attributes: dict[str, str] = document.get("attributes") or {}
        self.id: str = document.get("id", "")
        self.name: str = document.get("name", "")
        self.image_id: str = document.get("image_id", "")
        self.image_name: str = document.get("image_name", "")
        self.command: str = document.get("command", "")
        self.created: str = document.get("created", "")
        self.hostname: str = document.get("hostname", "")
