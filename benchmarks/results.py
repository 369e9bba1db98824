"""All measurements of one run, by their labels."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measuring import Measurement

__all__ = ["Results"]


@dataclass
class Results:
    """What was measured, in the order it was measured in."""

    measurements: list[Measurement] = field(default_factory=list)

    def where(self, **labels: Any) -> Iterator[Measurement]:
        """Yield the measurements that have all these labels."""
        for measurement in self.measurements:
            if all(measurement.labels.get(name) == value for name, value in labels.items()):
                yield measurement

    def find(self, **labels: Any) -> Measurement | None:
        """Return the one measurement with these labels, None if it was not made."""
        found = list(self.where(**labels))
        if len(found) > 1:
            raise ValueError(f"{labels} are the labels of {len(found)} measurements; add some")
        return found[0] if found else None

    def values(self, label: str, **labels: Any) -> list[Any]:
        """Return the values of one label among the measurements that have ``labels``."""
        return list(dict.fromkeys(found.labels[label] for found in self.where(**labels)))

    def median(self, **labels: Any) -> float | None:
        """Return the median of the one measurement with these labels, None if there is none."""
        found = self.find(**labels)
        return None if found is None else found.spread.median

    def ratio(self, above: dict[str, Any], below: dict[str, Any], **both: Any) -> float | None:
        """Return the ratio of two medians, None unless both were measured."""
        numerator, denominator = self.median(**above, **both), self.median(**below, **both)
        if numerator is None or not denominator:
            return None
        return numerator / denominator
