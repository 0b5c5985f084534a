"""Registries without the daemon, for the verbs that docker's command does by itself: manifests and lists of them.

This is the one place where the command line loads the registry client, and with it an event loop.
"""

import asyncio

from carrack.cli import manifest_lists
from carrack.client import document
from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.oci import image_config
from carrack.oci import manifest as manifests
from carrack.oci.manifest import Index, Manifest
from carrack.oci.reference import Reference
from carrack.registry import configs
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import Credentials
from carrack.registry.repository import Repository
from carrack.registry.settings import RegistrySettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeVar

    from carrack.cli.command import Session
    from carrack.client.document import Document
    from carrack.registry.repository import Fetched

    T = TypeVar("T")

_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class Registries:
    """Registries with the user's own accounts; with ``insecure``, those asked may be without TLS."""

    def __init__(self, session: "Session", *, insecure: bool) -> None:
        self._session = session
        self._insecure = insecure

    def fetch(self, name: Reference) -> "list[Document] | Document":
        """The manifest of a name as a list keeps it; of an index, one for each of its manifests.

        Raises NotFound("no such manifest: …"), Unauthorized, Unavailable.
        """

        async def ask(repository: Repository) -> "list[Document] | Document":
            fetched = await _manifest(repository, name.digest or name.tag, str(name))
            parsed = _parsed(fetched, str(name))
            if isinstance(parsed, Manifest):
                return await _entry(repository, str(name), fetched, parsed)
            entries = document.loads(fetched.data)["manifests"]
            return [await _child(repository, name, each) for each in entries]

        return self._run(name, ask)

    def document(self, name: Reference) -> "Document":
        """The manifest or the index that a name leads to, as it came."""

        async def ask(repository: Repository) -> "Document":
            fetched = await _manifest(repository, name.digest or name.tag, str(name))
            _parsed(fetched, str(name))
            found: Document = document.loads(fetched.data)
            return found

        return self._run(name, ask)

    def push(self, name: Reference, entries: "Sequence[Document]", data: bytes, tell: "Callable[[str], None]") -> str:
        """Put a list under its name, and before it the manifests that are of other repositories; the list's digest."""

        async def put(repository: Repository) -> str:
            for kept in entries:
                await _bring(repository, kept, tell)
            kind = manifests.parse(data).media_type
            return await repository.put_manifest(name.digest or name.tag, data, kind)

        return self._run(name, put, push=True)

    def _run(self, name: Reference, work: "Callable[[Repository], Awaitable[T]]", *, push: bool = False) -> "T":
        account = self._session.credentials.for_repository(name.name)
        given = Credentials(
            account.username, account.password, account.identity_token, account.registry_token, account.server
        )

        async def inside() -> "T":
            client = RegistryClient(self._settings(name))
            try:
                return await work(client.repository(name, given, push=push))
            finally:
                await client.close()

        return asyncio.run(inside())

    def _settings(self, name: Reference) -> RegistrySettings:
        environment = self._session.environment
        proxies = {key: environment.get(key) or environment.get(key.upper()) or "" for key in _PROXIES}
        return RegistrySettings(
            insecure=(name.domain,) if self._insecure else (),
            proxies={key: value for key, value in proxies.items() if value},
        )


async def _manifest(repository: Repository, reference: str, name: str) -> "Fetched":
    try:
        return await repository.manifest(reference)
    except NotFound as error:
        raise NotFound(f"no such manifest: {name}") from error


def _parsed(fetched: "Fetched", name: str) -> Manifest | Index:
    return manifests.parse(fetched.data, fetched.descriptor.media_type, f"manifest of {name}")


async def _entry(repository: Repository, ref: str, fetched: "Fetched", parsed: Manifest) -> "Document":
    config = await configs.read(repository, parsed)
    image_config.parse(config)
    digest = fetched.descriptor.digest
    return manifest_lists.entry(ref, parsed.media_type, digest, fetched.data, document.loads(config))


async def _child(repository: Repository, name: Reference, listed: "Document") -> "Document":
    digest = listed["digest"]
    ref = f"{name.name}@{digest}" if name.digest else f"{name}@{digest}"
    fetched = await _manifest(repository, digest, ref)
    kind = fetched.descriptor.media_type
    return manifest_lists.entry(ref, kind, digest, fetched.data, listed.get("platform") or {})


async def _bring(repository: Repository, kept: "Document", tell: "Callable[[str], None]") -> None:
    """Have the list's repository take over a manifest of another one of the same registry, with its blobs."""
    from carrack.oci import reference

    source, target = reference.parse(kept["Ref"]), repository.name
    if source.domain != target.domain:
        raise InvalidArgument(
            "cannot use source images from a different registry than the target image: "
            f"{source.domain} != {target.domain}"
        )
    if source.path == target.path:
        return
    data, digest = manifest_lists.raw(kept), kept["Descriptor"]["digest"]
    parsed = manifests.parse(data)
    if isinstance(parsed, Manifest):
        for blob in (parsed.config, *parsed.layers):
            if await repository.size_of(blob.digest) is None and not await repository.mount(blob.digest, source.path):
                raise CarrackError(
                    f"{target.domain} does not take blob {blob.digest} over from {source.path} to {target.path}: "
                    f"push the image to {target.path} first"
                )
    await repository.put_manifest(digest, data, parsed.media_type)
    tell(f"Pushed ref {target.name}@{digest} with digest: {digest}")
