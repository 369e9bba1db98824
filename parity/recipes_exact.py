"""Each recipe against the published initialization in torch, parameter by parameter.

The published function runs on a torch network while its requests are recorded; our rule is asked
for the same layers. The numbers agree to 1e-12 relative, rows of zeros and what neither side
speaks of included.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from fanwise import recipes
from fanwise.initializers import Initializer, normal
from fanwise.layers import Derived, Layer
from fanwise.layouts import TORCH
from fanwise.rules import Rule, answer_of, chain, torch_default
from parity import recipes_networks as networks
from parity import recipes_published as published
from parity.recipes_layers import layers_of
from parity.recipes_mup import NETWORKS, mup
from parity.recipes_recorded import Asked, asked
from parity.request import Request, of_distribution

__all__ = ["CASES", "Case", "compare", "differing"]


@dataclass(frozen=True)
class Case:
    """A recipe and a network.

    Args:
        recipe: the recipe's name.
        network: what the network is, for people.
        build: a network that the published code has started.
        rule: ours.
        forget: whether the layers are seen without ``padding_idx``, as Flax's are.
    """

    recipe: str
    network: str
    build: Callable[[], nn.Module]
    rule: Callable[[], Rule]
    forget: bool = False

    def __str__(self) -> str:
        return f"{self.recipe}: {self.network}"


def _resnets() -> Iterator[Case]:
    built: dict[str, tuple[Callable[[], nn.Module], str]] = {
        "BasicBlock": (networks.basic_resnet, "bn2"),
        "Bottleneck": (networks.bottleneck_resnet, "bn3"),
        "ResNeXt": (partial(networks.bottleneck_resnet, groups=4), "bn3"),
    }
    for name, (build, last) in built.items():
        yield Case("resnet", name, lambda build=build: published.resnet(build()), recipes.resnet)
        yield Case(
            "resnet",
            f"{name}, zero_init_residual",
            lambda build=build, last=last: published.resnet(build(), last),
            partial(recipes.resnet, rf".*/{last}"),
        )


def _others() -> Iterator[Case]:
    for has_norms in (False, True):
        build = partial(networks.vgg, has_norms)
        name = "with BatchNorm" if has_norms else "without BatchNorm"
        yield Case("vgg", name, lambda build=build: published.vgg(build()), recipes.vgg)
    for name, made in (
        ("generator", networks.generator),
        ("discriminator", networks.discriminator),
        ("discriminator with biases", partial(networks.discriminator, bias=True)),
    ):
        yield Case("dcgan", name, lambda made=made: published.dcgan(made()), recipes.dcgan)
    for attention in ("linear", "packed", "widths"):
        for count in (3, 5):
            yield Case(
                "gpt2",
                f"{count} layers, attention {attention}",
                lambda attention=attention, count=count: published.gpt2(
                    networks.gpt2(attention, count), count
                ),
                partial(recipes.gpt2, count),
            )
    bert = partial(published.bert, std=0.03)
    yield Case("bert", "padding_idx", lambda: published.bert(networks.bert()), recipes.bert)
    yield Case("bert", "std 0.03", lambda: bert(networks.bert()), partial(recipes.bert, 0.03))
    yield Case("bert", "none padded", lambda: bert(networks.bert(None)), lambda: recipes.bert(0.03))
    yield Case(
        "bert",
        "padding by path",
        lambda: published.bert(networks.bert(-3)),
        partial(recipes.bert, padding={r".*/word_embeddings": 37}),
        forget=True,
    )
    for attention in ("linear", "packed"):
        yield Case(
            "vit",
            f"attention {attention}",
            lambda attention=attention: published.vit(networks.vit(attention)),
            recipes.vit,
        )


def _normals(layer: Layer) -> dict[str, Any]:
    """0.02 for every weight of two axes or more."""
    return {name: normal(std=0.02) for name, shape in layer.parameters.items() if len(shape) > 1}


def _mups() -> Iterator[Case]:
    for network in NETWORKS:
        with torch.device("meta"):  # Shapes alone.
            base = layers_of(network.build(16))
        head = base[-1].path
        for table in (8, 3):
            for std in (None, 0.02):
                for width in (16, 24, 64, 8):
                    zero = head if width in (16, 24) else None
                    rule = torch_default if std is None else chain(torch_default, _normals)
                    yield Case(
                        "mup",
                        f"{network.name}, 16 to {width}, table {table}, "
                        f"{'torch default' if std is None else f'std {std}'}"
                        f"{', zero readout' if zero else ''}",
                        partial(mup, network, width, 16, table, std, bool(zero)),
                        partial(
                            recipes.mup,
                            base,
                            rule,
                            table=table,
                            zero_readout=head if zero else None,
                        ),
                    )


CASES: tuple[Case, ...] = (*_resnets(), *_others(), *_mups())


def compare() -> dict[str, tuple[list[str], list[str]]]:
    """Compare every parameter of every network; return the cases and the mismatches by recipe."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for case in CASES:
        cases, lines = found.setdefault(case.recipe, ([], []))
        compared, wrong = differing(case)
        cases += [f"{case}: {name}" for name in compared]
        lines += [f"{case}: {name}: {text}" for name, text in wrong.items()]
    return found


def differing(case: Case, rule: Rule | None = None) -> tuple[list[str], dict[str, str]]:
    """All parameters of the case's network, and those of which rule and torch say otherwise.

    Args:
        case: which.
        rule: in place of the case's own.
    """
    with torch.random.fork_rng(devices=[]):
        network, theirs = asked(case.build)
    rule = case.rule() if rule is None else rule
    compared, wrong = [], {}
    for layer in layers_of(network):
        if case.forget:
            sizes = {k: v for k, v in layer.hyperparameters.items() if k != "padding_idx"}
            layer = replace(layer, hyperparameters=sizes)
        answer = answer_of(rule, layer)
        for name, shape in layer.parameters.items():
            path = f"{layer.path.replace('/', '.')}.{name}".lstrip(".")
            ours = _ours(answer.get(name), layer, shape)
            compared.append(path)
            if not _agree(theirs[path], ours):
                wrong[path] = f"torch asks for {theirs[path]}, we for {ours}"
    if sorted(compared) != sorted(theirs):
        raise AssertionError(f"{case}: compared {compared}, torch has {list(theirs)}")
    return compared, wrong


def _agree(theirs: Asked, ours: Asked) -> bool:
    return (
        theirs.whole.agrees(ours.whole)
        and theirs.rows.keys() == ours.rows.keys()
        and all(request.agrees(ours.rows[row]) for row, request in theirs.rows.items())
    )


def _ours(value: Any, layer: Layer, shape: tuple[int, ...]) -> Asked:
    """Our answer in the form of torch's; what a derived value does to a table of ones is seen."""
    if value is None:
        return Asked()
    if isinstance(value, Initializer):
        value = value.distribution(shape, TORCH if layer.kind else None)
    if not isinstance(value, Derived):
        return Asked(of_distribution(value))
    if value.drawn is None:
        raise ValueError(f"{layer.path}: {value} is not drawn")
    changed = np.asarray(value.compute(np.ones(shape, np.float32)))
    rows = {}
    for row in np.flatnonzero((changed != 1).any(axis=tuple(range(1, changed.ndim)))):
        (constant,) = np.unique(changed[row])
        rows[int(row)] = Request("constant", (float(constant),))
    return Asked(of_distribution(value.drawn), rows)


if __name__ == "__main__":
    for name, (cases, lines) in compare().items():
        print(f"{name}: {len(cases)} parameters, {len(lines)} differ", *lines, sep="\n  ")
