"""Several initializations of one model, measured with one compiled pass."""

from collections.abc import Mapping
from typing import Any

import jax

from fanwise.keys import check_key
from fanwise.progress import tracked
from fanwise.rules import Rule
from fanwise.signal.candidates import CANDIDATES
from fanwise.signal.comparison import Comparison
from fanwise.signal.models import check_finite, starting_of
from fanwise.signal.program import Loss, program_of
from fanwise.signal.signals import Places, trace_of
from fanwise.typing import Key
from fanwise.validation import positive_integer

__all__ = ["compare"]


def compare(
    model: Any,
    x: Any,
    rules: Mapping[str, Rule] = CANDIDATES,
    *,
    key: Key,
    seeds: int = 8,
    loss: Loss | None = None,
    method: Any = None,
    **options: Any,
) -> Comparison:
    """Start a model by each rule and with several seeds, and measure every layer each time.

    The pass is compiled once, whatever the number of rules and seeds. All rules get the same keys,
    so that what differs between them is the rule.

    Args:
        model: a ``flax.linen.Module``, or a function of ``nnx.Rngs`` that builds an nnx model.
        x: the model's input, real data at best; a tuple is several inputs, one after another.
        rules: what to compare, by name, see :mod:`fanwise.rules`; :data:`CANDIDATES` if not given:
            He's initialization by fan_in and by fan_out, Xavier's, torch's defaults and Flax's.
        key: a PRNG key.
        seeds: how often the model is started by each rule.
        loss: see :func:`fanwise.signal.trace`.
        method: what to run instead of ``__call__``.
        options: keyword arguments of the method. Batch norms should normalize as in training:
            pass ``train=True``, or whatever the model calls it.

    Returns:
        A :class:`Comparison` with ``.table()``, ``.plot(path)`` and ``.recommend()``.

    Raises:
        TypeError: for a model or a key that is none.
        ValueError: without rules, or for layers in a ``while`` loop.

    Example:
        >>> from flax import linen as nn
        >>> import fanwise as fw
        >>> hidden = [layer for _ in range(8) for layer in (nn.Dense(128), nn.relu)]
        >>> model = nn.Sequential([*hidden, nn.Dense(10)])
        >>> x = jax.random.normal(jax.random.key(0), (32, 128))
        >>> rules = {name: fw.signal.CANDIDATES[name] for name in ("fan_in", "torch_default")}
        >>> compared = fw.signal.compare(model, x, rules, key=jax.random.key(1), seeds=3)
        >>> compared.recommend().best
        ('fan_in',)
    """
    check_key(key)
    seeds = positive_integer("compare", "seeds", seeds)
    if not isinstance(rules, Mapping) or not rules:
        raise ValueError(
            f"rules must be a mapping from names to rules, at least one, got {rules!r}; leave it "
            f"out for {', '.join(CANDIDATES)}"
        )
    starting = starting_of(model, x, options, method)
    observed = starting.observed
    check_finite("compare", observed.inputs)
    passes = [(name, seed) for name in rules for seed in range(seeds)]
    places: Places | None = None
    traces: dict[str, list[Any]] = {name: [] for name in rules}
    for name, seed in tracked(passes, what="measuring", unit="pass", fewest=2):
        own = jax.random.fold_in(key, seed)
        start_key, pass_key = jax.random.split(own)
        try:
            arrays = starting.start(rules[name], start_key)
        except Exception as error:
            error.add_note(f"in the rule {name!r}")
            raise
        if places is None:
            places = Places(program_of(observed, arrays, pass_key, loss))
        measured = places.program.run(arrays, observed.inputs, pass_key)
        traces[name].append(trace_of(places, measured, rules[name]))
    return Comparison({name: tuple(own) for name, own in traces.items()})
