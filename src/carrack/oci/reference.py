"""Image names as people type them, brought to their full form and back.

`busybox` means `docker.io/library/busybox:latest`; it is shown as `busybox:latest`. The grammar is the distribution
specification's (repository names, tags, digests); the short forms and the error texts are Docker's.

The command line reads names, too, and would start half as slow again by `re` and `dataclasses`: it is all done by hand.
"""

from carrack.errors import InvalidArgument
from carrack.oci import digest as digests

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
OFFICIAL_PREFIX = "library/"
NAME_LIMIT = 255
# Nothing longer can be a valid reference (255 of name, a host, a tag, a digest), so nothing longer is searched.
TEXT_LIMIT = 2048

TAG_LIMIT = 128
LEAST_DIGEST = 32

_LOWER, _DIGITS = frozenset("abcdefghijklmnopqrstuvwxyz"), frozenset("0123456789")
_LETTERS = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ALNUM = _LETTERS | _DIGITS
_HEX = _DIGITS | frozenset("abcdefABCDEF")
_WORD = _ALNUM | {"_"}


class Reference:
    """A name in full: `domain/path`, with a tag, a digest, both or neither ("" where absent). Never changed."""

    __slots__ = ("digest", "domain", "path", "tag")

    def __init__(self, domain: str, path: str, tag: str = "", digest: str = "") -> None:
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"Reference({str(self)!r})"

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
        return self if self.tag or self.digest else self.only(tag=DEFAULT_TAG)

    def only(self, tag: str = "", digest: str = "") -> "Reference":
        """The same name with this tag and digest, whatever it has of its own."""
        return Reference(self.domain, self.path, tag, digest)

    def with_tag(self, tag: str) -> "Reference":
        """The same name with another tag and no digest; InvalidArgument("invalid tag format") when it is none."""
        if not _is_tag(tag):
            raise InvalidArgument("invalid tag format")
        return self.only(tag)

    def _parts(self) -> tuple[str, ...]:
        return self.domain, self.path, self.tag, self.digest

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
    left, at, digest = rest.partition("@")
    path, colon, tag = left.partition(":")
    if not (_is_host(domain) and all(map(_is_component, path.split("/")))):
        raise InvalidArgument("invalid reference format")
    if (colon and not _is_tag(tag)) or (at and not _is_like_digest(digest)):
        raise InvalidArgument("invalid reference format")
    if len(path) > NAME_LIMIT:
        raise InvalidArgument(f"repository name must not be more than {NAME_LIMIT} characters")
    wrong = digests.problem(digest) if digest else None
    if wrong is not None:
        raise InvalidArgument(wrong)
    return Reference(domain, path, tag, digest)


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


def _is_host(text: str) -> bool:
    """Labels of letters, figures and inner hyphens, or an IPv6 address in brackets; with a port or without."""
    if text.startswith("["):
        address, closed, port = text[1:].partition("]")
        well = bool(closed and address) and (_HEX | {":"}).issuperset(address)
        return well and (not port or (port[0] == ":" and len(port) > 1 and _DIGITS.issuperset(port[1:])))
    host, colon, port = text.partition(":")
    if colon and not (port and _DIGITS.issuperset(port)):
        return False
    return all(
        label and label[0] in _ALNUM and label[-1] in _ALNUM and (_ALNUM | {"-"}).issuperset(label)
        for label in host.split(".")
    )


def _is_component(text: str) -> bool:
    """Small letters and figures, and between them one dot, one or two underscores, or any number of hyphens."""
    separators = [""]
    for character in text:
        if character in _LOWER or character in _DIGITS:
            if separators[-1]:
                separators.append("")
        elif character in "._-":
            separators[-1] += character
        else:
            return False
    if not text or text[0] in "._-" or separators[-1]:
        return False
    return all(part in (".", "_", "__") or not part.strip("-") for part in separators)


def _is_tag(text: str) -> bool:
    return 0 < len(text) <= TAG_LIMIT and text[0] in _WORD and (_WORD | {".", "-"}).issuperset(text)


def _is_like_digest(text: str) -> bool:
    """As far as the grammar goes: words that begin with letters, between them one of `-_+.`; a colon; figures."""
    algorithm, _, figures = text.partition(":")
    words = algorithm.replace("-", ".").replace("_", ".").replace("+", ".").split(".")
    return (
        all(word and word[0] in _LETTERS and _ALNUM.issuperset(word) for word in words)
        and len(figures) >= LEAST_DIGEST
        and _HEX.issuperset(figures)
    )
