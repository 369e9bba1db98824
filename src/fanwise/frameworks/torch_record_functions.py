"""Functions of torch that are recorded as a whole, because they look at the values they draw.

Code that is recorded may have imported them by name long before, and Hugging Face's transformers
keeps them in a dictionary. So it is the function objects that are changed, for the time of a
recording: each gets other code, and its own back in the end.
"""

import copy
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeAlias

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.utils import parametrizations
from torch.utils._python_dispatch import _disable_current_modes

from fanwise.distributions import Dirac, Distribution, Eye, Orthogonal, Sparse, TruncatedNormal
from fanwise.frameworks.torch_record_calls import broadcast, call, cast
from fanwise.frameworks.torch_record_memory import dtype_name
from fanwise.frameworks.torch_record_mode import Recorder
from fanwise.layouts import TORCH
from fanwise.recording.expression import Unknown

__all__ = ["called", "replaced"]

Code: TypeAlias = Callable[..., Any]
"""The body of a function of torch, or what is run in its place."""

# (recorder, thread, originals by name) while there is a recording.
_active: list[tuple[Recorder, int, dict[str, Code]]] = []


@contextmanager
def replaced(recorder: Recorder) -> Iterator[None]:
    """Record these functions as a whole in the body; they are as before afterwards."""
    originals: dict[str, Code] = {
        name: types.FunctionType(
            function.__code__, function.__globals__, name, function.__defaults__
        )
        for name, (function, _) in _FUNCTIONS.items()
    }
    codes = {name: function.__code__ for name, (function, _) in _FUNCTIONS.items()}
    _active.append((recorder, threading.get_ident(), originals))
    try:
        for function, stand_in in _FUNCTIONS.values():
            function.__code__ = stand_in.__code__
        yield
    finally:
        for name, (function, _) in _FUNCTIONS.items():
            function.__code__ = codes[name]
        _active.pop()


def called(name: str, *arguments: Any) -> Any:
    """What a stand-in does: record, in the recording's thread, or else the function's own code."""
    recorder, thread, originals = _active[-1]
    if threading.get_ident() != thread:
        return originals[name](*arguments)
    return _RECORDED[name](recorder, originals[name], *arguments)


def _fill(
    recorder: Recorder,
    original: Code,
    tensor: torch.Tensor,
    distribution: Distribution,
    *arguments: Any,
) -> torch.Tensor:
    """Note that the whole tensor is drawn; real ones are drawn by torch's own code."""
    shape, dtype = tuple(tensor.shape), dtype_name(tensor.dtype)
    made = recorder.draw(distribution, shape, dtype)
    generator = next((a for a in arguments if isinstance(a, torch.Generator)), None)
    with recorder.streams.drawing(generator) if made.is_random else nullcontext():
        if recorder.fake is None:
            with _disable_current_modes():
                original(tensor, *arguments)
    recorder.memory.forget(tensor)
    recorder.memory.write(tensor, made)
    if recorder.fake is None:
        recorder.keep(made, tensor)
    return tensor


def _trunc_normal(
    recorder: Recorder,
    original: Code,
    tensor: torch.Tensor,
    mean: float,
    std: float,
    a: float,
    b: float,
    generator: Any,
) -> Any:
    if tensor.is_meta:
        return tensor
    law = TruncatedNormal(float(mean), float(std), float(a), float(b))
    return _fill(recorder, original, tensor, law, mean, std, a, b, generator)


def _orthogonal(
    recorder: Recorder,
    original: Code,
    tensor: torch.Tensor,
    gain: float,
    generator: Any,
) -> Any:
    if tensor.ndimension() < 2 or tensor.numel() == 0 or tensor.is_meta:
        return original(tensor, gain, generator)
    law = Orthogonal(float(gain), layout=TORCH)
    return _fill(recorder, original, tensor, law, gain, generator)


def _sparse(
    recorder: Recorder,
    original: Code,
    tensor: torch.Tensor,
    sparsity: float,
    std: float,
    generator: Any,
) -> Any:
    if tensor.ndimension() != 2 or tensor.is_meta:
        return original(tensor, sparsity, std, generator)
    law = Sparse(float(sparsity), float(std), layout=TORCH)
    return _fill(recorder, original, tensor, law, sparsity, std, generator)


def _dirac(recorder: Recorder, original: Code, tensor: torch.Tensor, groups: int) -> Any:
    if tensor.ndimension() not in (3, 4, 5) or tensor.size(0) % groups or tensor.is_meta:
        return original(tensor, groups)
    return _fill(recorder, original, tensor, Dirac(groups, layout=TORCH), groups)


def _eye(recorder: Recorder, original: Code, tensor: torch.Tensor) -> Any:
    if tensor.ndimension() != 2 or tensor.is_meta:
        return original(tensor)
    return _fill(recorder, original, tensor, Eye(layout=TORCH))


def _is_orthogonal(recorder: Recorder, original: Code, q: torch.Tensor, eps: Any) -> bool:
    """Decided without values where it is sure: a drawn orthogonal matrix is, others are not."""
    value = recorder.memory.read(q)
    if recorder.fake is None or recorder.memory.real(q) is not None:
        return bool(original(q, eps))
    law = value.marginal
    if isinstance(law, Orthogonal) and abs(law.gain) == 1 and value.shape == tuple(q.shape):
        return True
    if law is not None and not isinstance(law, Orthogonal) and value.draws:
        # Independent draws are orthogonal with probability 0.
        return False
    return bool(original(q, eps))


def _make_orthogonal(recorder: Recorder, original: Code, a: torch.Tensor) -> torch.Tensor:
    """The Q of a tall matrix, the diagonal of R made positive."""
    value = recorder.memory.read(a)
    result: torch.Tensor = original(a)
    if recorder.memory.real(result) is None:
        shape, dtype = tuple(result.shape), dtype_name(result.dtype)
        made = value.unknown or call(shape, dtype, "q", value, signed=True)
        if isinstance(made, Unknown):
            made = broadcast(cast(made, dtype), shape)
        recorder.memory.write(result, made)
    return result


def _manual_seed(recorder: Recorder, original: Code, seed: Any) -> Any:
    recorder.streams.is_seeded = True
    return original(seed)


def _deepcopy(
    recorder: Recorder, original: Code, tensor: torch.Tensor, memo: dict[int, Any]
) -> Any:
    """By an operation on tensors, where torch copies bytes; with the attributes a user has set."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    is_plain = isinstance(tensor, FakeTensor) or type(tensor) is torch.Tensor
    if not is_plain or not tensor.is_leaf or tensor.layout != torch.strided:
        return original(tensor, memo)
    with torch.no_grad():
        copied = tensor.detach().clone(memory_format=torch.preserve_format)
    copied.requires_grad_(tensor.requires_grad)
    memo[id(tensor)] = copied
    own = vars(copied)
    for name, value in vars(tensor).items():
        if name not in own:
            setattr(copied, name, copy.deepcopy(value, memo))
    return copied


# The code of these is put in the place of torch's: they have its arguments, and need nothing from
# the module that they are in.


def _trunc_normal_code(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("trunc_normal_", tensor, mean, std, a, b, generator)


def _orthogonal_code(tensor, gain=1, generator=None):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("orthogonal_", tensor, gain, generator)


def _sparse_code(tensor, sparsity, std=0.01, generator=None):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("sparse_", tensor, sparsity, std, generator)


def _dirac_code(tensor, groups=1):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("dirac_", tensor, groups)


def _eye_code(tensor):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("eye_", tensor)


def _is_orthogonal_code(Q, eps=None):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("_is_orthogonal", Q, eps)


def _make_orthogonal_code(A):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("_make_orthogonal", A)


def _manual_seed_code(seed):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("manual_seed", seed)


def _deepcopy_code(self, memo):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_functions import called

    return called("__deepcopy__", self, memo)


_FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "trunc_normal_": (torch.nn.init.trunc_normal_, _trunc_normal_code),
    "orthogonal_": (torch.nn.init.orthogonal_, _orthogonal_code),
    "sparse_": (torch.nn.init.sparse_, _sparse_code),
    "dirac_": (torch.nn.init.dirac_, _dirac_code),
    "eye_": (torch.nn.init.eye_, _eye_code),
    "_is_orthogonal": (parametrizations._is_orthogonal, _is_orthogonal_code),
    "manual_seed": (torch.random.manual_seed, _manual_seed_code),
    "__deepcopy__": (torch.Tensor.__deepcopy__, _deepcopy_code),
    "_make_orthogonal": (parametrizations._make_orthogonal, _make_orthogonal_code),
}

_RECORDED: dict[str, Code] = {
    "trunc_normal_": _trunc_normal,
    "orthogonal_": _orthogonal,
    "sparse_": _sparse,
    "dirac_": _dirac,
    "eye_": _eye,
    "_is_orthogonal": _is_orthogonal,
    "manual_seed": _manual_seed,
    "__deepcopy__": _deepcopy,
    "_make_orthogonal": _make_orthogonal,
}
