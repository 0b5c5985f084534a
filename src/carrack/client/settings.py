"""What the user's ``config.json`` says besides its contexts: formats, keys to detach by, proxies, headers, filters.

Where the file does not hold a name at all, which is the usual case, it is not even parsed: that costs nothing of a
start. The names and meanings are those of the docker command, whose file it is.
"""

from carrack.client import document
from carrack.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMIT = 1 << 20
_PROXIES = {"httpProxy": "HTTP_PROXY", "httpsProxy": "HTTPS_PROXY", "ftpProxy": "FTP_PROXY", "noProxy": "NO_PROXY",
            "allProxy": "ALL_PROXY"}  # fmt: skip


class Settings:
    """The settings of one directory of client files."""

    def __init__(self, directory: str) -> None:
        self._path = f"{directory}/config.json"
        self._data: bytes | None = None

    def text(self, name: str) -> str:
        """A setting that is a text, empty where it is not set. Raises InvalidArgument where it is something else."""
        value = self._value(name, str)
        return value or ""

    def proxies(self, host: str) -> list[str]:
        """The variables, in both spellings, that containers on the daemon at ``host`` get for the proxies."""
        every: dict[str, Any] = self._value("proxies", dict) or {}
        found = every.get(host) or every.get("default") or {}
        if not isinstance(found, dict):
            raise self._wrong("proxies")
        words = []
        for key, variable in _PROXIES.items():
            if value := found.get(key):
                words += [f"{variable}={value}", f"{variable.lower()}={value}"]
        return words

    def headers(self) -> list[tuple[str, str]]:
        """Headers that go with every request."""
        found: dict[str, Any] = self._value("HttpHeaders", dict) or {}
        for name, value in found.items():
            if not isinstance(value, str) or not name or set(name + value) & {"\r", "\n"} or ":" in name:
                raise self._wrong("HttpHeaders")
        return [(name, value) for name, value in found.items() if name.lower() != "user-agent"]

    def aliases(self) -> dict[str, str]:
        """Verbs that are given to plugins: by their names, the plugins'."""
        found: dict[str, Any] = self._value("aliases", dict) or {}
        if not all(isinstance(word, str) for word in found.values()):
            raise self._wrong("aliases")
        return found

    def plugin_places(self) -> list[str]:
        """Folders to look for plugins in before all others."""
        found: list[Any] = self._value("cliPluginsExtraDirs", list) or []
        if not all(isinstance(word, str) for word in found):
            raise self._wrong("cliPluginsExtraDirs")
        return found

    def prune_filters(self) -> list[tuple[str, str]]:
        """Filters that every prune gets besides those of its command line: (name, value)."""
        found: list[Any] = self._value("pruneFilters", list) or []
        if not all(isinstance(word, str) and "=" in word for word in found):
            raise self._wrong("pruneFilters")
        parts = (word.partition("=") for word in found)
        return [(name.strip().lower(), value.strip()) for name, _, value in parts]

    def _value(self, name: str, kind: type) -> "Any":
        if self._data is None:
            try:
                with open(self._path, "rb") as file:
                    self._data = file.read(_LIMIT)
            except OSError:
                self._data = b""
        if f'"{name}"'.encode() not in self._data:
            return None
        try:
            whole = document.loads(self._data)
        except Unavailable as error:
            raise InvalidArgument(f"{self._path} is not JSON: mend or remove it ({error})") from error
        value = whole.get(name) if isinstance(whole, dict) else None
        if value is not None and not isinstance(value, kind):
            raise self._wrong(name)
        return value

    def _wrong(self, name: str) -> InvalidArgument:
        return InvalidArgument(f'{self._path}: "{name}" has a value of another kind than docker gives it')
