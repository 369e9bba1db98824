"""Errors planted in random models are reported, and nothing is without them.

``python -m parity`` plants all of them; here is the first of each kind.
"""

from collections import Counter

import pytest

from parity.fuzz.fault import Fault
from parity.fuzz.faults import FAULTS, planted

NAMED = ("swapped pair", "transpose", "kernel", "gain", "tie")
"""Kinds of errors of which there are eight or more."""


FIRST = {fault.kind: fault for fault in reversed(FAULTS)}
"""One of each kind."""


@pytest.mark.parametrize("fault", FIRST.values(), ids=lambda fault: f"{fault.kind}, {fault.error}")
def test_planted_errors_are_caught(fault: Fault, seed: int) -> None:
    found = list(planted(fault, seed))
    assert len(found) == fault.count
    assert not [str(each) for each in found if not each.is_caught]


def test_there_are_fifty_of_all_kinds() -> None:
    counts = Counter[str]()
    for fault in FAULTS:
        counts[fault.kind] += fault.count
    assert sum(counts.values()) >= 50
    assert all(counts[kind] >= 8 for kind in NAMED), counts
