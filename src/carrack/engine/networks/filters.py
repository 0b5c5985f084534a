"""Which networks a list or a bulk removal means: Docker's filters and its refusals of wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from carrack.engine.networks.network import Network
from carrack.errors import InvalidArgument
from carrack.model import times
from carrack.model.labels import matches
from carrack.model.pattern import found

Filters = Mapping[str, Sequence[str]]
Test = Callable[[Network], bool]

_KINDS = ("builtin", "custom")


def listing(filters: Filters, used: Callable[[Network], bool]) -> Test:
    """A test by ``dangling``, ``driver``, ``id``, ``label``, ``name``, ``scope`` and ``type``, which must all hold.

    ``used`` tells whether a container is on a network; predefined ones never dangle. InvalidArgument.
    """
    _known(filters, ("dangling", "driver", "id", "label", "name", "scope", "type"))
    kinds, dangling = filters.get("type", ()), _dangling(filters.get("dangling", ()))
    for kind in kinds:
        if kind not in _KINDS:
            raise InvalidArgument(f"invalid filter: 'type'='{kind}'")

    def test(network: Network) -> bool:
        return (
            (not kinds or ("builtin" if network.predefined else "custom") in kinds)
            and (dangling is None or dangling == (not network.predefined and not used(network)))
            and _any(filters, "name", lambda word: found(word, network.name))
            and _any(filters, "id", lambda word: found(word, network.id))
            and _any(filters, "driver", network.driver.__eq__)
            and _any(filters, "scope", network.scope.__eq__)
            and all(matches(network.labels, text) for text in filters.get("label", ()))
        )

    return test


def pruning(filters: Filters) -> Test:
    """A test by ``label``, ``label!`` and ``until``. InvalidArgument."""
    _known(filters, ("label", "label!", "until"))
    until = filters.get("until", ())
    if len(until) > 1:
        raise InvalidArgument("more than one until filter specified")
    limit = _moment(until[0]) if until else None

    def test(network: Network) -> bool:
        return (
            (limit is None or network.created <= limit)
            and all(matches(network.labels, text) for text in filters.get("label", ()))
            and not any(matches(network.labels, text) for text in filters.get("label!", ()))
        )

    return test


def _known(filters: Filters, names: tuple[str, ...]) -> None:
    for key in filters:
        if key not in names:
            raise InvalidArgument(f"invalid filter '{key}'")


def _any(filters: Filters, key: str, test: Callable[[str], bool]) -> bool:
    words = filters.get(key, ())
    return not words or any(test(word) for word in words)


def _dangling(words: Sequence[str]) -> bool | None:
    if len(words) > 1:
        raise InvalidArgument('got more than one value for filter key "dangling"')
    if not words:
        return None
    if words[0] in ("true", "1"):
        return True
    if words[0] in ("false", "0"):
        return False
    raise InvalidArgument('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")')


def _moment(text: str) -> int:
    try:
        return times.before_now(text)
    except InvalidArgument as error:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"') from error
