"""Where Flax has less than torch: the one bias for the two of a recurrent layer.

What is compared there is the sum, and for a GRU's last gate, whose two biases Flax has apart, each
by itself.
"""

from collections.abc import Collection, Mapping

from fanwise.distributions import Constant, Distribution, Triangular, Uniform
from parity.fuzz.group import Group
from parity.fuzz.laws import Laws
from parity.fuzz.node import Node
from parity.fuzz.sampled import Array, Sampled
from parity.fuzz.sequences import Recurrent

__all__ = ["biases_of", "summed", "summed_laws"]

Biases = Mapping[tuple[str, str], tuple[Recurrent, str]]
"""Names of both biases of a direction: of which node they are, and of which framework's twin."""


def biases_of(root: Group, framework: str) -> dict[tuple[str, str], tuple[Recurrent, str]]:
    """All pairs of biases that are one in the twin."""
    found: dict[tuple[str, str], tuple[Recurrent, str]] = {}

    def visit(node: Node, path: tuple[str, ...]) -> None:
        if isinstance(node, Group):
            for part in node.parts:
                is_span = isinstance(part.node, Group) and part.node.form == "span"
                visit(part.node, path if is_span else (*path, part.name))
        elif isinstance(node, Recurrent):
            for suffix in ("", "_reverse")[: 1 + node.is_bidirectional]:
                names = tuple(".".join((*path, f"bias_{m}_l0{suffix}")) for m in ("ih", "hh"))
                found[names[0], names[1]] = (node, framework)

    visit(root, ())
    return found


def summed(sampled: Sampled, biases: Biases) -> dict[str, Array]:
    """The arrays with sums in the place of biases that are added."""
    arrays = dict(sampled)
    for (first, second), (node, framework) in biases.items():
        one, other = arrays.pop(first), arrays.pop(second)
        end = one.shape[-1] if node.kind == "LSTM" else 2 * node.hidden
        arrays[f"{first} + {second}"] = one[..., :end] + other[..., :end]
        if node.kind == "GRU":
            arrays[f"{first}, last"] = one[..., end:]
            if framework == "linen":  # nnx has no place for it
                arrays[f"{second}, last"] = other[..., end:]
    return arrays


def summed_laws(
    laws: Laws, biases: Biases, alone: Collection[str]
) -> dict[str, Distribution | None]:
    """The laws of these arrays; ``alone`` names those that are drawn by themselves."""
    found = dict(laws)
    for (first, second), (node, framework) in biases.items():
        one, other = found.pop(first), found.pop(second)
        is_alone = first in alone and second in alone
        found[f"{first} + {second}"] = _sum(one, other) if is_alone else None
        if node.kind == "GRU":
            found[f"{first}, last"] = one
            if framework == "linen":
                found[f"{second}, last"] = other
    return found


def _sum(one: Distribution | None, other: Distribution | None) -> Distribution | None:
    if isinstance(one, Uniform) and one == other:
        return Triangular(2 * one.low, 2 * one.high)
    if isinstance(one, Constant) and isinstance(other, Constant):
        return Constant(one.value + other.value)
    return None
