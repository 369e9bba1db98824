"""A check, for a test suite, that a model's signal is sound at initialization."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from fanwise.recipes.patterns import matcher
from fanwise.signal.backward_faults import backward_faults
from fanwise.signal.check_result import Check
from fanwise.signal.forward_faults import forward_faults
from fanwise.signal.limits import Limits
from fanwise.signal.models import check_finite, observed_of
from fanwise.signal.own_weights import own_weights
from fanwise.signal.program import Loss, program_of
from fanwise.signal.signals import Places, trace_of
from fanwise.validation import real

__all__ = ["check"]


def check(
    model: Any,
    variables: Any,
    x: Any,
    key: Any,
    *,
    smallest: float = 1e-8,
    largest: float = 1e6,
    smallest_factor: float = 1e-6,
    largest_factor: float = 10.0,
    idle: float = 0.9,
    allow: Sequence[str] = (),
    loss: Loss | None = None,
    method: Any = None,
    **options: Any,
) -> Check:
    r"""Whether a model's signal vanishes, explodes or goes NaN, forward or backward, and where.

    One compiled pass, as of :func:`fanwise.signal.trace`. A layer fails

    - if an element of its output, or of the gradient there, is not finite;
    - if its weights, or its output, or the gradient at its output, are zero;
    - if more than ``idle`` of its output lies where the activation behind is flat, with a slope
      below 0.01. For relu one half does in sound models, and with a batch of examples that are all
      alike a layer of 10 units is beyond 0.9 in one draw of a thousand; of tanh whose
      input has a std of 1, 1 in 350. A tanh is noticed whose input has a std of 24 or more;
    - if its weights multiply second moments, :math:`E[(W x)^2] / E[x^2]`, by less than
      ``smallest_factor`` or more than ``largest_factor``. torch's default has a factor of 1/3,
      Flax's and GPT-2's at width 2500 1, He's for relu 2, Glorot's with tanh's gain at most 5.6,
      He's by fan_out 8 where a layer is four times narrower than its input; GPT-2's at width 24
      that is scaled for 48 blocks 1e-4. The limits are widened by what chance does in a layer
      with few units, by a factor of 2.1 with 64 of them and 4.7 with 10, so that a sound layer is
      beyond in one draw of a million. A gain of 10 makes it 100 times larger: it is noticed from
      32 units on over torch's default, from 4 on over Flax's, and from 2 on over He's, in layers
      without stride: a transposed convolution's factor is smaller by that of its strides. Layers
      that only go into a normalization may have any factor. For normalizations their output's
      second moment itself has these limits;
    - if second moments leave the range from ``smallest`` to ``largest`` times the input's (or 1,
      whichever allows more). He's rule in a chain of 30 layers of 64 units varies by a factor of
      650 upwards and 6800 downwards at five standard deviations (its logarithm has a variance of
      5/64 a layer). A factor of 1/6 a layer is noticed after 10 layers. Downwards more is allowed
      than upwards, as a branch that starts small is lost in the stream beside it;
    - if, along a chain of layers that feed one another (within one step of a scan), the gradient's
      second moment leaves that range of the chain's end, or anywhere in the model 1e-26 to 1e13
      times that at the output: past normalizations and branches much is normal.

    Layers that are matrices or kernels and a bias are held to the factors; recurrent cells,
    embeddings, weights under ``weight_norm`` and the like, and modules with arrays of their own to
    the rest.

    Args:
        model: a ``flax.linen.Module`` or an ``nnx.Module``, which is left as it is.
        variables: linen's variables; for nnx a state of the model, or None for its own arrays.
        x: the model's input, not zeros; several examples, of data as it will be at best.
        key: see :func:`fanwise.signal.trace`.
        smallest: of second moments, relative to the input.
        largest: of second moments, relative to the input.
        smallest_factor: of one layer.
        largest_factor: of one layer.
        idle: the share of the output that may lie where the activation is flat.
        allow: regular expressions of whole paths: layers that start as they do on purpose, such as
            ``r".*/bn2"`` for ``zero_init_residual``, and the layers of Fixup, ReZero or adaLN-Zero
            whose output is zero, or multiplied by zero. They are only held to finite values, and
            the layers right before them may get no gradient; unless they give zeros and get no
            gradient either, as nothing would ever change them.
        loss: see :func:`fanwise.signal.trace`.
        method: what to run instead of ``__call__``.
        options: keyword arguments of the method, such as ``train=True``: batch norms with running
            statistics do not normalize.

    Returns:
        A :class:`Check`: ``passed``, ``faults`` and ``require()``, which raises AssertionError
        naming the first layer in order of execution at which the signal goes wrong.

    Raises:
        TypeError: for a model that is of neither framework, or an argument of a wrong type.
        ValueError: for thresholds out of range, for patterns that match no layer, for an input of
            zeros or of values that are not finite, and as :func:`fanwise.signal.trace`.

    Example:
        >>> import jax
        >>> from flax import linen as nn
        >>> import fanwise as fw
        >>> model = nn.Sequential([nn.Dense(64), nn.tanh, nn.Dense(64), nn.tanh, nn.Dense(8)])
        >>> x = jax.random.normal(jax.random.key(0), (32, 64))
        >>> variables = fw.linen.init(model, jax.random.key(1), x)
        >>> fw.signal.check(model, variables, x, jax.random.key(2)).passed
        True
        >>> variables["params"]["layers_2"]["kernel"] *= 100
        >>> found = fw.signal.check(model, variables, x, jax.random.key(2))
        >>> print(found.faults[0].title)
        layers_2: saturated (forward)

    References:
        B. Hanin, Which neural net architectures give rise to exploding and vanishing gradients?,
        2018, for the variance over draws.
    """
    limits = _limits(smallest, largest, smallest_factor, largest_factor, idle)
    may = _matchers(allow)
    observed = observed_of(model, x, options, method)
    check_finite("check", observed.inputs)
    _check_not_zero(observed.inputs)
    arrays = observed.given(variables)
    places = Places(program_of(observed, arrays, key, loss))
    measured = places.program.run(arrays, observed.inputs, key)
    trace = trace_of(places, measured)
    paths = [signal.path for signal in trace.layers]
    for pattern, matches in may.items():
        if not any(map(matches, paths)):
            raise ValueError(
                f"check: allow must match paths of layers, got {pattern!r}, which matches none of "
                f"{', '.join(paths)}; patterns are of whole paths, as in r'.*/bn2'"
            )
    weights = own_weights(places, measured, trace.layers)
    allowed = [any(matches(path) for matches in may.values()) for path in paths]
    forward = forward_faults(trace, weights, allowed, limits)
    if any(fault.what == "not finite" for fault in forward):
        return Check(tuple(forward), trace)  # what comes back says nothing
    faulty = frozenset(fault.name for fault in forward)
    return Check((*forward, *backward_faults(trace, allowed, faulty, limits)), trace)


def _limits(*given: Any) -> Limits:
    smallest, largest, smallest_factor, largest_factor, idle = given
    return Limits(
        smallest=real("check", "smallest", smallest, above=0.0),
        largest=real("check", "largest", largest, above=0.0),
        smallest_factor=real("check", "smallest_factor", smallest_factor, above=0.0),
        largest_factor=real("check", "largest_factor", largest_factor, above=0.0),
        idle=real("check", "idle", idle, minimum=0.0, maximum=1.0),
    )


def _matchers(allow: Any) -> dict[str, Any]:
    if isinstance(allow, str):
        raise TypeError(
            f"check: allow must be a list of regular expressions, got the string {allow!r}; pass "
            f"[{allow!r}]"
        )
    return {pattern: matcher("check", "allow", pattern) for pattern in allow}


def _check_not_zero(inputs: Sequence[Any]) -> None:
    floating = [each for each in inputs if jnp.issubdtype(each.dtype, jnp.floating)]
    if floating and not bool(jnp.asarray(floating[0]).any()):
        raise ValueError(
            "check: x must not be zeros, got nothing else, so that there is no signal to follow; "
            "pass data as the model will get it, or jax.random.normal(key, shape)"
        )
