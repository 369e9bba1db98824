"""What the name of a layer says, when two people have named the same thing.

A path is taken apart into words and numbers: ``layer1.0.bn2`` and ``layer1_0/BatchNorm_1`` are both
"layer, norm" with numbers. Words that mean the same count as the same. A number counts by its rank
among its siblings, since one side begins at 0 and the other at 1, or counts activations too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Name", "names_of"]

_GROUPS = (
    "query q wq queries",
    "key k wk keys",
    "value v wv values",
    "output o wo out outputs",
    "input in inp inputs stem",
    "embed emb embedding embeddings embedder embedded",
    "norm ln bn gn layernorm batchnorm groupnorm instancenorm rmsnorm rms normalization",
    "linear fc dense lin",
    "conv convolution convolutional cnn",
    "deconv upconv convtranspose",
    "attention attn mha selfattn",
    "mlp ffn ff feedforward",
    "layer layers block blocks h stages stage encoderblock resblock",
    "proj projection shortcut downsample skip residual",
    "token tok tokens word words wte",
    "position pos positional positions wpe",
    "head classifier logits",
    "encoder enc",
    "decoder dec",
    "feature features feat feats",
    "final f last",
    "forward fwd fw",
    "backward bwd bw reverse",
    "class cls",
    "weight weights scale gamma kernel",
    "bias beta shift",
    "cross crossattention multihead",
    "first initial init",
)
_MEANING = {word: group.split()[0] for group in _GROUPS for word in group.split()}

# Words that stand together for one, or for nothing that tells layers apart.
_COMPOUNDS = {
    ("layer", "norm"): ("norm",),
    ("batch", "norm"): ("norm",),
    ("group", "norm"): ("norm",),
    ("instance", "norm"): ("norm",),
    ("rms", "norm"): ("norm",),
    ("feed", "forward"): ("mlp",),
    ("conv", "transpose"): ("deconv",),
    ("multi", "head"): (),
    ("dot", "product"): (),
    ("lm", "head"): ("head",),
    ("ln", "f"): ("norm", "final"),
    # In front of what follows, and so not named after what is before it.
    ("post", "attention"): ("afterwards",),
    ("post", "attn"): ("afterwards",),
}

_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_DIMENSIONS = re.compile(r"(?<=[a-zA-Z])[123][dD](?![a-zA-Z])")

Token: TypeAlias = str | int
Label: TypeAlias = tuple[str, int]
"""The word before a number, and how many numbers with that word came before."""


@dataclass
class Name:
    """What a path says.

    Args:
        path: the path.
        words: how often each occurs.
        numbers: by the word before them.
        ranks: for each number its place among its siblings, and how many these are.
        whole: all words and ranks, in order.
        last: those of the last component.
    """

    path: str
    words: Counter[str]
    numbers: dict[Label, int]
    ranks: dict[Label, tuple[int, int]] = field(default_factory=dict)
    whole: tuple[object, ...] = ()
    last: tuple[object, ...] = ()

    @property
    def parent(self) -> str:
        """The path of what the layer is in."""
        return self.path.rpartition("/")[0]


def _tokens(component: str) -> list[Token]:
    """Words and numbers of one component, words by what they mean."""
    raw = [token.lower() for token in _TOKEN.findall(_DIMENSIONS.sub("", component))]
    found: list[Token] = []
    index = 0
    while index < len(raw):
        pair = tuple(raw[index : index + 2])
        if pair in _COMPOUNDS:
            found += _COMPOUNDS[pair]
            index += 2
            continue
        token = raw[index]
        found.append(int(token) if token.isdigit() else _MEANING.get(token, token))
        index += 1
    return found


def names_of(layers: Iterable[tuple[str, str]]) -> list[Name]:
    """What the paths of one model's layers say, each beside the others.

    Args:
        layers: the path of each, and its kind: layers in a Sequential are numbered by kind, as
            linen numbers them.

    Example:
        >>> ours, theirs = names_of([("features/0", "Conv"), ("features/3", "Conv")])
        >>> theirs.numbers, theirs.ranks
        ({('feature', 0): 3}, {('feature', 0): (1, 2)})
    """
    given = list(layers)
    split = [[_tokens(component) for component in path.split("/")] for path, _ in given]
    siblings: dict[object, set[int]] = {}
    for (path, kind), components in zip(given, split, strict=True):
        for key, number in _numbered(path, kind, components):
            siblings.setdefault(key, set()).add(number)
    for (path, kind), components in zip(given, split, strict=True):
        _number_the_first(path, kind, components, siblings)
    places = {
        key: {number: (rank, len(own)) for rank, number in enumerate(sorted(own))}
        for key, own in siblings.items()
    }
    return [
        _named(path, kind, components, places)
        for (path, kind), components in zip(given, split, strict=True)
    ]


def _named(
    path: str,
    kind: str,
    components: Sequence[Sequence[Token]],
    places: Mapping[object, Mapping[int, tuple[int, int]]],
) -> Name:
    name = Name(path, Counter(), {})
    keys = _numbered(path, kind, components)
    label, counts = "", Counter[str]()
    for component in components:
        last: list[object] = []
        for token in component:
            if isinstance(token, str):
                name.words[token] += 1
                label = token
                last.append(token)
                continue
            place = places[next(keys)[0]][token]
            name.numbers[label, counts[label]] = token
            name.ranks[label, counts[label]] = place
            counts[label] += 1
            last.append(place)
        name.last = tuple(last)
        name.whole += name.last
    return name


def _numbered(
    path: str, kind: str, components: Sequence[Sequence[Token]]
) -> Iterator[tuple[object, int]]:
    """Every number, and what its siblings have in common: all before it, and of layers the kind."""
    raw = path.split("/")
    for depth, component in enumerate(components):
        own = kind if depth == len(components) - 1 else ""
        for at, token in enumerate(component):
            if isinstance(token, int):
                yield (tuple(raw[:depth]), tuple(component[:at]), own), token


def _number_the_first(
    path: str, kind: str, components: Sequence[list[Token]], siblings: dict[object, set[int]]
) -> None:
    """Of ``conv`` and ``conv2`` the former has a number too, before all others."""
    raw = path.split("/")
    for depth, component in enumerate(components):
        own = kind if depth == len(components) - 1 else ""
        key = (tuple(raw[:depth]), tuple(component), own)
        if component and isinstance(component[-1], str) and key in siblings:
            component.append(-1)
            siblings[key].add(-1)
