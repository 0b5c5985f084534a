"""Prometheus' text format, version 0.0.4: what a scrape of metrics answers.

Source: "Exposition formats" of the Prometheus documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_VALUE_LIMIT = 1024
_NAME = re.compile(r"[^a-zA-Z0-9_]")

Labels = Mapping[str, str]


class Page:
    """Families of samples, in the order they are added; each has one or more samples below one head."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, told: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """A family; `kind` is counter or gauge. One without samples is left out."""
        lines = [_sample(name, labels, value) for labels, value in samples]
        if lines:
            self._lines += [*_head(name, kind, told), *lines]

    def histogram(self, name: str, told: str, samples: Iterable[tuple[Labels, Histogram]]) -> None:
        """A family of histograms."""
        self._lines += _head(name, "histogram", told)
        for labels, histogram in samples:
            for limit, count in histogram.buckets():
                self._lines.append(_sample(f"{name}_bucket", {**labels, "le": limit}, count))
            self._lines.append(_sample(f"{name}_sum", labels, histogram.sum))
            self._lines.append(_sample(f"{name}_count", labels, histogram.count))

    def text(self) -> str:
        """The whole page."""
        return "\n".join([*self._lines, ""])


class Histogram:
    """How many observations were at most so many seconds long."""

    LIMITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def __init__(self) -> None:
        self.sum = 0.0
        self.count = 0
        self._counts = [0] * len(self.LIMITS)

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.sum += seconds
        self.count += 1
        for place, limit in enumerate(self.LIMITS):
            if seconds <= limit:
                self._counts[place] += 1

    def buckets(self) -> list[tuple[str, int]]:
        """(limit, observations up to it) of each bucket, the one without limit last."""
        return [*((_number(limit), count) for limit, count in zip(self.LIMITS, self._counts, strict=True)),
                ("+Inf", self.count)]  # fmt: skip


def label_names(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Prometheus' name of each label. Of those that come out alike only the first has one: a name may stand once."""
    taken: dict[str, str] = {}
    for name in sorted(names):
        taken.setdefault(prefix + _NAME.sub("_", name), name)
    return {name: made for made, name in taken.items()}


def _head(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]


def _sample(name: str, labels: Labels, value: float) -> str:
    words = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{words}}} {_number(value)}" if words else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    text = text[:_VALUE_LIMIT].encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
