"""What registries are asked without an image coming or going: logins, searches, what a name stands for there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from carrack.errors import InvalidArgument
from carrack.oci import document, image_config
from carrack.oci import manifest as manifests
from carrack.oci.manifest import Index, Manifest
from carrack.registry import configs

if TYPE_CHECKING:
    from carrack.oci.reference import Reference
    from carrack.registry.client import RegistryClient
    from carrack.registry.credentials import Credentials
    from carrack.registry.repository import Repository

_LIMIT_MOST = 100
_LIMIT_USUAL = 25
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant")
_TRUTHS = {"1": True, "true": True, "0": False, "false": False}


class Remote:
    """Asks registries."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    async def login(self, credentials: Credentials) -> dict[str, str]:
        """The API's answer to credentials that their registry takes. Raises Unauthorized, Unavailable."""
        token = await self._client.check(credentials.server_address, credentials)
        return {"IdentityToken": token, "Status": "Login Succeeded"}

    async def describe(self, name: Reference, credentials: Credentials) -> dict[str, Any]:
        """The API's DistributionInspect of a name: `{"Descriptor", "Platforms"}`.

        Raises NotFound, Unauthorized, Unavailable, InvalidArgument for a manifest that is none.
        """
        repository = self._client.repository(name, credentials)
        named = name.with_default_tag()
        fetched = await repository.manifest(named.digest or named.tag)
        parsed = manifests.parse(fetched.data, fetched.descriptor.media_type, f"manifest of {named.familiar}")
        if isinstance(parsed, Index):
            entries = document.parse(fetched.data, limit=manifests.SIZE_LIMIT, what="index")["manifests"]
            platforms = [entry["platform"] for entry in entries if entry.get("platform")]
        else:
            platforms = [await _platform(repository, parsed)]
        return {"Descriptor": fetched.descriptor.document(), "Platforms": platforms}

    async def search(
        self, term: str, limit: int, filters: Mapping[str, list[str]], credentials: Credentials
    ) -> list[dict[str, Any]]:
        """At most `limit` results, 0 for 25, that pass Docker's filters. Raises InvalidArgument, Unavailable."""
        if limit and not 1 <= limit <= _LIMIT_MOST:
            raise InvalidArgument(f"limit {limit} is outside the range of [1, {_LIMIT_MOST}]")
        unknown = sorted(set(filters) - {"is-automated", "is-official", "stars"})
        if unknown:
            raise InvalidArgument(f"invalid filter '{unknown[0]}'")
        automated, official = _truth(filters, "is-automated"), _truth(filters, "is-official")
        stars = max((_stars(word) for word in filters.get("stars", [])), default=0)
        if automated:
            return []  # nothing on Docker Hub is so called any more
        found = await self._client.search(term, limit or _LIMIT_USUAL, credentials)
        return [
            result
            for result in found
            if (official is None or result["is_official"] == official) and result["star_count"] >= stars
        ]


async def _platform(repository: Repository, parsed: Manifest) -> dict[str, Any]:
    """The platform that an image's config says it is for, in its own words."""
    data = await configs.read(repository, parsed)
    config = document.parse(data, limit=image_config.SIZE_LIMIT, what=f"config {parsed.config.digest}")
    return {key: config[key] for key in _PLATFORM_KEYS if config.get(key)}


def _truth(filters: Mapping[str, list[str]], name: str) -> bool | None:
    words = filters.get(name, [])
    if not words:
        return None
    if len(words) > 1 or words[0] not in _TRUTHS:
        raise InvalidArgument(f"invalid filter '{name}=[{' '.join(words)}]'")
    return _TRUTHS[words[0]]


def _stars(word: str) -> int:
    if not word.isascii() or not word.removeprefix("-").isdigit():
        raise InvalidArgument(f"invalid filter 'stars={word}': strconv.Atoi: parsing \"{word}\": invalid syntax")
    return int(word)
