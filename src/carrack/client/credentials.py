"""The user's accounts at registries, where the docker command keeps them.

For a repository the nearest account counts: one for its own path, for a part of it, else for the registry. At each
step DOCKER_AUTH_CONFIG comes first, then the helper that ``credHelpers`` or ``credsStore`` name, then ``auths``. A
helper is asked for a path only where the file says that it has an account there, so that a pull asks it once.
"""

from carrack.client import config_file, document
from carrack.client.account import Account, key_of, of_entry, place_of, places
from carrack.client.credential_helper import Helper, HelperError
from carrack.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from carrack.client.document import Document

VARIABLE = "DOCKER_AUTH_CONFIG"


class Credentials:
    """The accounts of one directory of client files. ``warn`` takes what is wrong but hinders nothing."""

    def __init__(self, directory: str, environment: "Mapping[str, str]", warn: "Callable[[str], None]") -> None:
        self._directory = directory
        self._environment = environment
        self._warn = warn

    @property
    def path(self) -> str:
        return config_file.path_in(self._directory)

    def for_repository(self, name: str) -> Account:
        """The account for a repository by its whole name (``docker.io/library/busybox``), an empty one for none.

        What is unreadable is warned of and counts as absent: most images can be had by anybody.
        """
        try:
            return self.find(place_of(name) if "/" not in name else name)
        except (InvalidArgument, HelperError) as error:
            self._warn(f"WARNING: {error}; going on without credentials")
            return Account(key_of(name.partition("/")[0]))

    def find(self, place: str) -> Account:
        """The nearest account for ``host[/path]``, an empty one for none. Raises InvalidArgument, HelperError."""
        settings = config_file.load(self._directory)
        given, kept = self._given(), _by_place(settings, "auths", self.path)
        helpers = _by_place(settings, "credHelpers", self.path)
        known = {*given, *kept, *helpers}
        host = place.partition("/")[0]
        for step in places(place):
            if step not in known and step != host:
                continue
            account = self._at(step, given, kept, _helper_name(settings, helpers, step, self.path))
            if account:
                account.server = key_of(host)
                return account
        return Account(key_of(host))

    def places(self) -> list[str]:
        """Where the file says that it has accounts, sorted."""
        return sorted({*self._given(), *_by_place(config_file.load(self._directory), "auths", self.path)})

    def is_plain(self, place: str) -> bool:
        """Whether an account for ``place`` would be kept in the file itself."""
        settings = config_file.load(self._directory)
        return not _helper_name(settings, _by_place(settings, "credHelpers", self.path), place, self.path)

    def store(self, place: str, account: Account) -> bool:
        """Keep an account; whether the file was changed by it. Raises HelperError, InvalidArgument, OSError."""
        with config_file.change(self._directory, private=True) as settings:
            helper = _helper_name(settings, _by_place(settings, "credHelpers", self.path), place, self.path)
            if helper:
                Helper(helper, self._environment).store(key_of(place), account)
            auths: Document = settings.setdefault("auths", {})
            before = [auths.pop(key) for key in [key for key in auths if place_of(key) == place]]
            auths[key_of(place)] = {} if helper else account.entry()
            settings["auths"] = dict(sorted(auths.items()))
            return before != [auths[key_of(place)]]

    def erase(self, place: str) -> None:
        """Forget the account of ``place``, and of no other; none there is fine."""
        with config_file.change(self._directory, private=True) as settings:
            helper = _helper_name(settings, _by_place(settings, "credHelpers", self.path), place, self.path)
            auths: Document = settings.setdefault("auths", {})
            keys = [key for key in auths if place_of(key) == place]
            for key in keys:
                del auths[key]
            if helper:
                for key in dict.fromkeys((key_of(place), *keys)):
                    Helper(helper, self._environment).erase(key)

    def _given(self) -> "dict[str, Any]":
        text = self._environment.get(VARIABLE)
        if not text:
            return {}
        try:
            settings = document.loads(text)
        except Unavailable:
            settings = None
        if not isinstance(settings, dict):
            raise InvalidArgument(f"{VARIABLE} is no JSON object")
        return _by_place(settings, "auths", VARIABLE)

    def _at(self, place: str, given: "dict[str, Any]", kept: "dict[str, Any]", helper: str) -> Account | None:
        if place in given:
            account = _readable(VARIABLE, place, given[place])
            if account:
                return account
        if helper:
            return Helper(helper, self._environment).get(key_of(place))
        return _readable(self.path, place, kept[place]) if place in kept else None


def _readable(source: str, place: str, entry: "Any") -> Account:
    try:
        return of_entry(key_of(place), entry)
    except InvalidArgument as error:
        raise InvalidArgument(f"{source}: {error}") from None


def _by_place(settings: "Document", name: str, source: str) -> "dict[str, Any]":
    found = settings.get(name) or {}
    if not isinstance(found, dict):
        raise InvalidArgument(f'{source}: "{name}" is no object')
    return {place_of(key): value for key, value in found.items()}


def _helper_name(settings: "Document", helpers: "dict[str, Any]", place: str, source: str) -> str:
    """The helper for a place: the nearest of ``credHelpers``, else ``credsStore``; empty for the file itself."""
    named = next((helpers[step] for step in places(place) if step in helpers), settings.get("credsStore") or "")
    if not isinstance(named, str):
        raise InvalidArgument(f"{source}: the name of a credential helper is no text")
    return named
