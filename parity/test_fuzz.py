"""Random torch models and their twins: recorded, matched, carried across and started.

``python -m parity`` takes all two hundred; here are some of them.
"""

import pytest

from parity import porting_fuzz
from parity.fuzz.examine import examine


def test_there_are_two_hundred() -> None:
    assert porting_fuzz.MODELS == 200


PARTS = 20


@pytest.mark.parametrize("part", [0, 1])
def test_random_models(part: int, seed: int) -> None:
    outcomes = [examine(number, seed) for number in range(part, porting_fuzz.MODELS, PARTS)]
    assert not [line for outcome in outcomes for line in outcome.lines]
    assert all(outcome.arrays for outcome in outcomes)
    # A name that says nothing may have to be stated; that it must for half of them may not be.
    unclear = [outcome.name for outcome in outcomes if outcome.refused and not outcome.is_untied]
    assert len(unclear) < len(outcomes) / 2, unclear
