"""Image names as people type them, brought to their full form and back.

`busybox` means `docker.io/library/busybox:latest`; it is shown as `busybox:latest`. The grammar is the distribution
specification's (repository names, tags, digests); the short forms and the error texts are Docker's.
"""

import re
from dataclasses import dataclass, replace

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
OFFICIAL_PREFIX = "library/"
NAME_LIMIT = 255
# Nothing longer can be a valid reference (255 of name, a host, a tag, a digest), so nothing longer is searched.
TEXT_LIMIT = 2048

_HOST_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"(?P<domain>{_DOMAIN})/(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?")
_TAG_ONLY = re.compile(_TAG)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in full: `domain/path`, with a tag, a digest, both or neither ("" where absent)."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.domain}/{self.path}" + self._suffix()

    @property
    def name(self) -> str:
        """Domain and path, without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The shortest form of the name that means the same: `busybox`, `user/app`, `registry:5000/app`.

        A path that begins like a domain, or is like an image's id, keeps its own domain: else it would be shown, and
        found, as another registry's, or as that image.
        """
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        rest = self.path.removeprefix(OFFICIAL_PREFIX)
        if "/" not in rest:
            return rest if len(rest) != 64 or not digests.is_hex(rest) else self.name
        return self.name if _is_domain(self.path.partition("/")[0]) else self.path

    @property
    def familiar(self) -> str:
        """The shortest form with tag and digest."""
        return self.familiar_name + self._suffix()

    def with_default_tag(self) -> "Reference":
        """The same with `latest` when neither tag nor digest was given."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> "Reference":
        """The same name with another tag and no digest; InvalidArgument("invalid tag format") when it is none."""
        if not _TAG_ONLY.fullmatch(tag):
            raise InvalidArgument("invalid tag format")
        return Reference(self.domain, self.path, tag)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Parse a name as typed, with Docker's defaults for the domain; the tag stays empty when none was given.

    Raises InvalidArgument with the texts that Docker's users know.
    """
    if len(text) > TEXT_LIMIT:
        raise InvalidArgument("invalid reference format")
    if len(text) == 64 and digests.is_hex(text):
        raise InvalidArgument(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, rest = _split_domain(text)
    remote = rest.partition(":")[0]
    if remote.lower() != remote:
        raise InvalidArgument(f"invalid reference format: repository name ({remote}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if match is None:
        raise InvalidArgument("invalid reference format")
    if len(match["path"]) > NAME_LIMIT:
        raise InvalidArgument(f"repository name must not be more than {NAME_LIMIT} characters")
    wrong = digests.problem(match["digest"]) if match["digest"] else None
    if wrong is not None:
        raise InvalidArgument(wrong)
    return Reference(match["domain"], match["path"], match["tag"] or "", match["digest"] or "")


def parse_id(text: str) -> str | None:
    """The whole image id `sha256:<64 hex>` when `text` is one, with or without the algorithm; else None."""
    if len(text) == 64 and digests.is_hex(text):
        return "sha256:" + text
    return text if digests.is_digest(text) else None


def parse_for_tag(repository: str, tag: str) -> Reference:
    """The name that `tag`, `commit` and `import` give: a repository, and a tag that defaults to `latest`.

    Raises InvalidArgument, also when the repository carries a digest.
    """
    named = parse(repository)
    if named.digest:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    return named.with_tag(tag) if tag else named.with_default_tag()


def _is_domain(head: str) -> bool:
    """Whether what stands before the first slash of a name is a registry's address."""
    return "." in head or ":" in head or head == "localhost" or head.lower() != head


def _split_domain(text: str) -> tuple[str, str]:
    head, slash, rest = text.partition("/")
    if not slash or not _is_domain(head):
        domain, rest = DEFAULT_DOMAIN, text
    else:
        domain = DEFAULT_DOMAIN if head == "index.docker.io" else head
    if domain == DEFAULT_DOMAIN and "/" not in rest:
        rest = OFFICIAL_PREFIX + rest
    return domain, rest
