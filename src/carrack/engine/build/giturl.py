"""Git repositories as builds name them: ``https://host/repo.git#ref:folder``, ``git@host:repo.git?ref=…``. Pure.

Source: Docker build documentation, "Git repositories". What would be an option to git, or leads out of the checkout, is
refused (CVE-2026-33748).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from carrack.errors import InvalidArgument

PROTOCOLS = ("https", "http", "ssh", "git")
GITHUB = "github.com/"
_SCP = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)[A-Za-z0-9][A-Za-z0-9.-]*:(?!/)[^\s]+")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_WHOLE = 40  # characters of a commit's name
#: by the words of a query that name what is meant, what their values begin with; and those that name a commit
_REFS = {"ref": "", "branch": "refs/heads/", "tag": "refs/tags/"}
_COMMITS = ("commit", "checksum")


@dataclass(frozen=True, slots=True)
class GitSource:
    """``url`` as git takes it; ``ref`` a branch, tag or commit, "" for the default branch; ``folder`` inside it, "" for
    the top; ``checksum`` the beginning of the commit that it must be, "" for any; ``keep``: with its ``.git``;
    ``submodules``: with theirs."""

    url: str
    ref: str = ""
    folder: str = ""
    checksum: str = ""
    keep: bool = False
    submodules: bool = True

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
    path = urlsplit(text).path
    return path.endswith(".git") or ("#" in text and ".git" in path)


def shortened(ref: str) -> bool:
    """Whether it may be the beginning of a commit's name, which servers do not know."""
    return _COMMIT.fullmatch(ref) is not None and len(ref) < _WHOLE


def parse(text: str) -> GitSource:
    """The repository that a source means; that of a context may begin with ``github.com/``. Raises InvalidArgument."""
    if text.startswith(GITHUB):
        text = f"https://{text}"
    address, _, fragment = text.partition("#")
    address, _, query = address.partition("?")
    ref, _, folder = fragment.partition(":")
    given = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    if unknown := given.keys() - {*_REFS, *_COMMITS, "subdir", "keep-git-dir", "submodules"}:
        raise InvalidArgument(f"{text}: unknown part of a repository's address: {', '.join(sorted(unknown))}")
    named = [f"{prefix}{given[key].removeprefix(prefix)}" for key, prefix in _REFS.items() if given.get(key)]
    checksums = {given[key] for key in _COMMITS if given.get(key)}
    if len(named) > 1 or len(checksums) > 1:
        raise InvalidArgument(f"{text}: one of {', '.join(_REFS)}, and one commit, name what is meant")
    checksum = "".join(checksums)
    ref = "".join(named) or ref or (checksum if given.get("commit") or len(checksum) == _WHOLE else "")
    folder = _inside(given.get("subdir") or folder, text)
    if ref.startswith("-") or any(char.isspace() or ord(char) < 32 for char in ref) or ".." in ref:
        raise InvalidArgument(f"{text}: {ref!r} is no name of a branch, a tag or a commit")
    if checksum and not _COMMIT.fullmatch(checksum):
        raise InvalidArgument(f"{text}: the checksum {checksum!r} is no commit")
    if not _SCP.fullmatch(address):
        parts = urlsplit(address)
        if parts.scheme not in PROTOCOLS or not parts.hostname or parts.hostname.startswith("-"):
            raise InvalidArgument(f"{text}: repositories are fetched by {', '.join(PROTOCOLS)} only")
    keep, submodules = given.get("keep-git-dir") in ("1", "true"), given.get("submodules") not in ("0", "false")
    return GitSource(address, ref, folder, checksum, keep, submodules)


def _inside(folder: str, text: str) -> str:
    clean = posixpath.normpath("/" + folder).lstrip("/")
    if folder and (".." in folder.split("/") or clean == ".git" or clean.startswith(".git/")):
        raise InvalidArgument(f"{text}: the folder {folder!r} is not in the repository")
    return "" if clean == "." else clean
