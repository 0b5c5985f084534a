"""Which volumes a list or a bulk removal means: Docker's filters and its refusals of wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from carrack.engine.volumes.volume import Volume
from carrack.errors import InvalidArgument
from carrack.model.labels import matches
from carrack.model.pattern import found

Filters = Mapping[str, list[str]]
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def listing(filters: Filters, used: Callable[[str], bool]) -> Callable[[Volume], bool]:
    """A test by ``name``, ``driver``, ``label`` and ``dangling``, which must all hold."""
    _known(filters, ("name", "driver", "label", "dangling"))
    dangling: bool | None = None
    if given := filters.get("dangling"):
        if len(given) != 1 or given[0] not in _TRUE + _FALSE:
            raise InvalidArgument(f"invalid filter 'dangling=[{' '.join(given)}]'")
        dangling = given[0] in _TRUE
    names, drivers, labels = (filters.get(key) or [] for key in ("name", "driver", "label"))

    def test(volume: Volume) -> bool:
        return (
            (not names or any(found(name, volume.name) for name in names))
            and (not drivers or volume.driver in drivers)
            and all(matches(volume.labels, text) for text in labels)
            and (dangling is None or used(volume.name) != dangling)
        )

    return test


def pruning(filters: Filters) -> Callable[[Volume], bool]:
    """A test by ``label``, ``label!`` and ``all``: without that, only anonymous volumes."""
    _known(filters, ("label", "label!", "all"))
    everything = _flag("all", filters.get("all") or ["false"])
    wanted, unwanted = filters.get("label") or [], filters.get("label!") or []

    def test(volume: Volume) -> bool:
        return (
            (everything or volume.anonymous)
            and all(matches(volume.labels, text) for text in wanted)
            and not any(matches(volume.labels, text) for text in unwanted)
        )

    return test


def _known(filters: Filters, names: tuple[str, ...]) -> None:
    for key in filters:
        if key not in names:
            raise InvalidArgument(f"invalid filter '{key}'")


def _flag(name: str, values: list[str]) -> bool:
    if len(values) != 1:
        raise InvalidArgument(f"invalid filter '{name}=[{' '.join(values)}]': only one value is expected")
    if values[0] not in _TRUE + _FALSE:
        raise InvalidArgument(f"invalid filter '{name}': strconv.ParseBool: parsing \"{values[0]}\": invalid syntax")
    return values[0] in _TRUE
