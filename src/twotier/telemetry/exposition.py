"""A page of metrics in the format its reader asks for: Prometheus' text or OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from twotier.telemetry.families import FAMILIES, Family, Histogram, Labels, Samples

if TYPE_CHECKING:
    from prometheus_client import Metric


def page(samples: Samples, accept: str) -> tuple[bytes, str]:
    """The page and its media type. Families nobody has a sample of are named all the same."""
    # 30 ms of imports that only those pay who read metrics.
    from prometheus_client.exposition import choose_encoder

    write, media_type = choose_encoder(accept)
    return write(_Page(samples)), media_type


class _Page:
    """A collector, as prometheus_client calls what it writes out."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order of the table."""
        for family in FAMILIES:
            yield metric(family, self._samples.get(family, ()))


def storable(value: str) -> str:
    """Half a surrogate pair can come in a model's name, and no encoding takes it."""
    return value.encode("utf-8", "replace").decode()


def metric(family: Family, samples: Iterable[tuple[Labels, float | Histogram]]) -> Metric:
    """One family with its samples."""
    from prometheus_client.core import Metric

    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    made = Metric(name, family.text, family.kind)
    for values, sample in samples:
        labels = dict(zip(family.labels, map(storable, values), strict=True))
        if not isinstance(sample, Histogram):
            made.add_sample(family.name, labels, float(sample))
            continue
        bounds = [*(str(float(bound)) for bound in family.buckets), "+Inf"]
        for bound, count in zip(bounds, accumulate(sample.by_bucket), strict=True):
            made.add_sample(f"{name}_bucket", labels | {"le": bound}, float(count))
        made.add_sample(f"{name}_count", labels, float(sum(sample.by_bucket)))
        made.add_sample(f"{name}_sum", labels, sample.total)
    return made
