"""Random initialization code for a random model."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from parity.fuzz.choice import number, pick, toss
from parity.fuzz.fills import any_fill, any_made
from parity.fuzz.flat import Unembedding
from parity.fuzz.group import Group, Part
from parity.fuzz.statements import (
    Apply,
    Copy,
    FillOne,
    FillRows,
    Noise,
    OverParameters,
    Replace,
    Reset,
    Statement,
    Tie,
)

__all__ = ["initialized"]

Rng = np.random.Generator


def initialized(rng: Rng, root: Group) -> Group:
    """The same model with initialization code of its own, in its constructor and in others."""
    ties = tuple(
        Tie(f"{part.name}.weight", f"{part.node.source}.weight")
        for part in root.parts
        if isinstance(part.node, Unembedding)
    )
    root = replace(root, parts=tuple(_part(rng, part) for part in root.parts))
    fixed = {path for tie in ties for path in (tie.path, tie.source)}
    statements = list(_statements(rng, root.torch(), fixed))
    # Before the rest, as in most models, or after it.
    at = 0 if toss(rng, 0.6) else len(statements)
    return replace(root, statements=(*statements[:at], *ties, *statements[at:]))


def _part(rng: Rng, part: Part) -> Part:
    """Some blocks have code of their own too."""
    node = part.node
    if not isinstance(node, Group):
        return part
    node = replace(node, parts=tuple(_part(rng, each) for each in node.parts))
    if node.form == "class" and toss(rng, 0.15):
        module = node.torch()
        if any(True for _ in module.parameters()):
            own = _Targets.of(module, set())
            node = replace(node, statements=tuple(_single(rng, own) for _ in range(2)))
    return replace(part, node=node)


@dataclass(frozen=True)
class _Targets:
    """What there is to initialize.

    Args:
        shapes: of the parameters by name.
        fixed: names of those that must stay the same object.
        resettable: names of modules with ``reset_parameters``.
        alike: pairs of names of modules with the same parameters.
    """

    shapes: dict[str, tuple[int, ...]]
    fixed: set[str]
    resettable: tuple[str, ...]
    alike: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, module: nn.Module, fixed: set[str]) -> "_Targets":
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
        resettable = tuple(
            name
            for name, each in module.named_modules()
            if name and hasattr(each, "reset_parameters") and not hasattr(each, "parametrizations")
        )
        alike = []
        for name, each in module.named_modules():
            if isinstance(each, nn.ModuleList) and len(each) > 1 and _alike(each[0], each[1]):
                alike.append((f"{name}.1", f"{name}.0"))
        return cls(shapes, fixed, resettable, tuple(alike))


def _alike(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        first[name].shape == second[name].shape for name in first
    )


def _statements(rng: Rng, module: nn.Module, fixed: set[str]) -> list[Statement]:
    targets = _Targets.of(module, fixed)
    found: list[Statement] = []
    if toss(rng, 0.5):
        found.append(_apply(rng))
    if toss(rng, 0.25):
        ending, dimensions = pick(
            rng,
            (("bias", 1), ("weight", 2), ("fc2.weight", 2), ("proj.weight", 2), ("0.weight", 2)),
        )
        found.append(OverParameters(ending, dimensions, any_fill(rng, dimensions, is_exact=False)))
    found += [_single(rng, targets) for _ in range(int(rng.integers(1, 6)))]
    return found


def _apply(rng: Rng) -> Apply:
    """What most ``_init_weights`` look like."""
    zero = any_fill(rng, 1)
    rules: list[tuple[tuple[str, ...], tuple[tuple[str, Any], ...]]] = [
        (("Linear",), (("weight", any_fill(rng, 2)), ("bias", zero))),
        (("Conv1d", "Conv2d"), (("weight", any_fill(rng, 3, is_square=False)), ("bias", zero))),
        (("Embedding",), (("weight", any_fill(rng, 2, is_exact=False)),)),
        (("LayerNorm", "BatchNorm1d", "BatchNorm2d"), (("weight", any_fill(rng, 1)),)),
        (("ConvTranspose1d", "ConvTranspose2d"), (("weight", any_fill(rng, 2, is_exact=False)),)),
    ]
    return Apply(tuple(rule for rule in rules if toss(rng, 0.7)))


def _single(rng: Rng, targets: _Targets) -> Statement:
    """A statement about one parameter or module."""
    path = pick(rng, tuple(targets.shapes))
    shape = targets.shapes[path]
    kind = pick(rng, ("fill", "fill", "fill", "rows", "replace", "copy", "reset", "noise", "clone"))
    if kind == "rows" and shape and shape[0] > 1:
        start = int(rng.integers(0, shape[0] - 1))
        stop = None if toss(rng, 0.3) else int(rng.integers(start + 1, shape[0] + 1))
        return FillRows(path, start, stop, any_fill(rng, 1))
    if kind == "replace" and path not in targets.fixed and "parametrizations" not in path:
        how = pick(rng, ("Parameter", "data", "copy_"))
        return Replace(path, any_made(rng, shape), how)
    if kind == "copy" and targets.alike:
        first, second = pick(rng, targets.alike)
        return Copy(first, second, "load_state_dict")
    if kind == "clone":
        same = [name for name, each in targets.shapes.items() if each == shape and name != path]
        if same:
            times = number(rng, 0.2, 2.0) if toss(rng, 0.5) else None
            return Copy(path, pick(rng, same), pick(rng, ("copy_", "clone")), times)
    if kind == "reset" and targets.resettable:
        return Reset(pick(rng, targets.resettable))
    if kind == "noise":
        return Noise(path, number(rng, 0.01, 0.5))
    return FillOne(path, any_fill(rng, len(shape), shape))
