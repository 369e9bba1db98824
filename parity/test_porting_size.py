"""What the checks of size let pass and what they do not; ``python -m parity`` runs the models."""

import pytest

from parity.porting_size import Measured, planted, wrong

SOUND = Measured(
    elements=6_738_415_616,
    seconds=0.2,
    peak=500_000_000,
    all_bytes=26_953_662_464,
    device_bytes=26_953_662_464 // 8 + 10**6,
    temporary=200_000_000,
    collectives=(),
    filled=1_100_000_000,
    shares=(0.1251,) * 8,
    off=1e-5,
    is_equal=True,
)


def test_what_is_sound_passes():
    assert wrong(SOUND) == []


@pytest.mark.parametrize("error", list(planted(SOUND)))
def test_each_error_is_noticed(error):
    assert wrong(planted(SOUND)[error])
