"""Writes that no operation of torch has made: real tensors are compared with what was recorded.

Through ``Tensor.numpy()``, or a pointer, memory is written to without torch. On fake tensors that
is impossible; on real ones it shows, as what was recorded gives other numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._python_dispatch import _disable_current_modes

from fanwise.frameworks.torch_record_mode import Recorder
from fanwise.recording.evaluate import evaluate
from fanwise.recording.expression import Draw, Expression
from fanwise.typing import DType

__all__ = ["written_unseen"]

# QR factorizations and the power method of badly conditioned matrices, in float32.
_TOLERANCE = 1e-3


def written_unseen(
    recorder: Recorder, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Expression]
) -> list[str]:
    """The names of real tensors that are not what was recorded."""
    return [
        name
        for name, value in values.items()
        if value.unknown is None and not _agrees(recorder, tensors[name], value)
    ]


def _agrees(recorder: Recorder, tensor: torch.Tensor, value: Expression) -> bool:
    if any(each.name not in recorder.drawn for each in value.draws):
        return True  # a function of draws that torch makes at once: nothing to compare with
    with _disable_current_modes(), torch.no_grad():
        want = _numbers(tensor)
    if want.dtype.kind not in "fiub":
        return True

    def drawn(each: Draw, dtype: DType) -> Any:
        with _disable_current_modes(), torch.no_grad():
            return _numbers(recorder.drawn[each.name]).astype(dtype)

    got = np.asarray(evaluate(value, drawn))
    wide, other = want.astype(np.float64), got.astype(np.float64)
    scale = np.abs(wide[np.isfinite(wide)]).max(initial=0.0)
    return bool(np.allclose(other, wide, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True))


def _numbers(tensor: torch.Tensor) -> npt.NDArray[Any]:
    # numpy has no bfloat16; a wider dtype holds the same numbers.
    wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return np.asarray(wide.detach().numpy())
