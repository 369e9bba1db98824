"""What is recorded is what constructors make, number by number; planted errors are noticed."""

import re

import pytest

from fanwise.frameworks.torch_record import record
from parity.record_cases import CASES
from parity.record_exact import mismatches
from parity.record_planted import PLANTED, planted
from parity.record_refused import READING, REFUSED


@pytest.mark.parametrize("name", CASES)
def test_recorded(name: str) -> None:
    assert mismatches(CASES[name], seed=len(name)) == []


@pytest.mark.parametrize("name", READING)
def test_recorded_with_real_tensors(name: str) -> None:
    assert mismatches(READING[name], seed=1, reads=True) == []


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    factory, words = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(words[0])) as raised:
        record(factory)
    assert [word for word in words if word not in str(raised.value)] == []


@pytest.mark.parametrize("error", PLANTED)
def test_planted_errors_are_noticed(error: str) -> None:
    case = PLANTED[error][0]
    with planted(error):
        assert mismatches(CASES[case], seed=0) != []
