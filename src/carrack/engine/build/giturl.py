"""Git repositories as builds name them: ``https://host/repo.git#ref:folder``, ``git@host:repo.git?ref=…``. Pure.

Source: Docker build documentation, "Git repositories". What would be an option to git, or leads out of the checkout, is
refused (CVE-2026-33748).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from carrack.errors import InvalidArgument

PROTOCOLS = ("https", "http", "ssh", "git")
GITHUB = "github.com/"
_SCP = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)[A-Za-z0-9][A-Za-z0-9.-]*:(?!/)[^\s]+")
_WHOLE = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
#: by the words of a query that name what is meant, what their values begin with; and those that name a commit
_REFS = {"ref": "", "tag": "refs/tags/", "branch": "refs/heads/"}
_COMMITS = ("commit", "checksum")
_SWITCHES = ("submodules", "keep-git-dir")


@dataclass(frozen=True, slots=True)
class GitSource:
    """``url`` as git takes it; ``ref`` a branch, tag or commit, "" for the default branch; ``folder`` inside it, "" for
    the top; ``checksum`` the beginning of the commit, or of the tag, that it must be, "" for any; ``keep``: whether
    with its ``.git``, None where nothing is said; ``submodules``: with theirs; ``known_hosts``: the keys of hosts that
    may be met by ssh, as OpenSSH has them in a file of these, "" for any."""

    url: str
    ref: str = ""
    folder: str = ""
    checksum: str = ""
    keep: bool | None = None
    submodules: bool = True
    known_hosts: str = ""

    @property
    def name(self) -> str:
        """What the checkout is called: the repository's name."""
        return self.url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git") or "repository"


def is_git(text: str) -> bool:
    """Whether a source is a repository, and not a file to be fetched."""
    if text.startswith(("git://", "ssh://")) or _SCP.fullmatch(text):
        return True
    if not text.startswith(("http://", "https://")):
        return False
    try:
        path = urlsplit(text).path
    except ValueError:  # no address at all
        return False
    return path.endswith(".git") or ("#" in text and ".git" in path)


def is_commit(ref: str) -> bool:
    """Whether it is the whole name of a commit, of sha1 or sha256; the beginning of one no server knows."""
    return _WHOLE.fullmatch(ref) is not None


def parse(text: str) -> GitSource:
    """The repository that a source means; that of a context may begin with ``github.com/``. Raises InvalidArgument, in
    BuildKit's words."""
    if text.startswith(GITHUB):
        text = f"https://{text}"
    address, _, fragment = text.partition("#")
    address, _, query = address.partition("?")
    ref, _, folder = fragment.partition(":")
    given = _query(query)
    for key, prefix in _REFS.items():
        if key in given:
            ref = _agreed("ref", ref, f"{prefix}{given[key].removeprefix(prefix)}")
    folder = _agreed("subdir", folder, given.get("subdir", folder))
    checksum = given.get("commit", "")
    checksum = _agreed("checksum", checksum, given.get("checksum", checksum))
    if not _SCP.fullmatch(address):
        parts = _split(address, text)
        if parts.scheme not in PROTOCOLS or not parts.hostname or parts.hostname.startswith("-"):
            raise InvalidArgument(f"{text}: repositories are fetched by {', '.join(PROTOCOLS)} only")
    keep, submodules = (_truth(key, given.get(key)) for key in reversed(_SWITCHES))
    ref = ref or (checksum if is_commit(checksum) else "")
    return GitSource(address, ref, _inside(folder, text), checksum, keep, submodules is not False)


def _split(address: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises for one that is no number
    except ValueError as error:
        raise InvalidArgument(f"{text}: {error}") from None
    return parts


def _query(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, values in parse_qs(query, keep_blank_values=True).items():
        if len(values) > 1:
            raise InvalidArgument(f'query "{key}" has multiple values')
        if not values[0] and key not in _SWITCHES:
            raise InvalidArgument(f'query "{key}" has no value')
        if key not in {*_REFS, *_COMMITS, *_SWITCHES, "subdir"}:
            raise InvalidArgument(f'unexpected query "{key}"')
        found[key] = values[0]
    if "tag" in found and "branch" in found:
        raise InvalidArgument("branch conflicts with tag")
    return found


def _agreed(what: str, one: str, other: str) -> str:
    if one and one != other:
        raise InvalidArgument(f'{what} conflicts: "{one}" vs "{other}"')
    return other


def _truth(key: str, value: str | None) -> bool | None:
    """What a switch says; one without a value says yes."""
    if value is None or not value:
        return None if value is None else True
    if value.lower() not in _TRUTHS:
        raise InvalidArgument(f'invalid {key} value: "{value}"')
    return _TRUTHS[value.lower()]


def _inside(folder: str, text: str) -> str:
    clean = posixpath.normpath(folder.lstrip("/"))
    if clean == ".." or clean.startswith("../"):
        raise InvalidArgument(f"{text}: the folder {folder!r} is not in the repository")
    return "" if clean == "." else clean
