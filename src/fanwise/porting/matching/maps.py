"""Layers directly behind a map, or in front of one.

Behind it: a Linear that takes it flattened, a normalization of all its elements, an LSTM over its
rows. In front of it: the Linear with which a decoder begins.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fanwise.layers import Layer
from fanwise.porting.correspondence import Pair

__all__ = ["Map", "elements_of", "input_weights", "inputs_of", "maps_at"]

_WIDTHS = ("num_features", "num_channels", "normalized_shape")


@dataclass(frozen=True)
class Map:
    """A map that a layer is behind.

    Args:
        channels: of the map.
        positions: how many it has, for the layer's inputs to be all of it.
        dimensions: of the convolution that made it.
        source: where that is, in words.
        is_output: whether the layer is in front of the map.
    """

    channels: int
    positions: int
    dimensions: int
    source: str
    is_output: bool = False

    @property
    def is_square(self) -> bool:
        """Whether it may be equally long along each dimension."""
        return int(self._side**self.dimensions) == self.positions

    @property
    def _side(self) -> int:
        return round(float(self.positions ** (1 / self.dimensions)))

    @property
    def guess(self) -> str:
        """Its shape if it is square."""
        sides = [str(self._side)] * self.dimensions if self.is_square else "DHW"[-self.dimensions :]
        return ", ".join([str(self.channels), *sides])


def maps_at(pairs: Sequence[Pair], order: Sequence[Layer]) -> dict[int, Map]:
    """The pairs directly behind a map of more than one position, or in front of one.

    The order is torch's of definition, and Flax's: linen's is that of execution, and a layer that
    follows a map in either is asked for.
    """
    by_path = {pair.flax.path: index for index, pair in enumerate(pairs)}
    theirs = [by_path[layer.path] for layer in order if layer.path in by_path]
    found: dict[int, Map] = {}
    sequences = (list(range(len(pairs))), list(dict.fromkeys(theirs)))
    for sequence in sequences:
        _behind(pairs, sequence, found)
    for before, index in pairwise(sequences[1]):
        own = found.get(index)
        if own is not None and not own.is_square and _is_fed(pairs, before, index):
            del found[index]
    # What takes vectors of a width tells that these are no maps.
    vectors = {inputs_of(pair.torch) for n, pair in enumerate(pairs) if n not in found}
    for sequence in sequences:
        _in_front(pairs, sequence, found, vectors)
    return found


def _behind(pairs: Sequence[Pair], sequence: Sequence[int], found: dict[int, Map]) -> None:
    channels, dimensions, source = 0, 2, ""
    widths: set[int] = set()  # of vectors that some layer gives
    last: Map | None = None
    for at, index in enumerate(sequence):
        layer = pairs[index].torch
        count = inputs_of(layer) or elements_of(layer)
        is_norm = inputs_of(layer) is None
        # A BatchNorm1d may be of a map with one dimension, of any number of channels.
        is_own = count == channels or (layer.kind == "BatchNorm1d" and dimensions == 1)
        if count is None or (is_norm and is_own):
            own = _channels(layer, channels)
            if own is not None:
                channels, source = own, layer.path.replace("/", ".")
                dimensions = _dimensions(layer) or dimensions
            if own:
                last = None
            widths |= _outputs(layer)
            continue
        if channels and count > channels and count % channels == 0 and count not in widths:
            last = Map(channels, count // channels, dimensions, f"behind {source}")
            found.setdefault(index, last)
        elif last is not None and last.channels * last.positions == count and count not in widths:
            # Another head on the same map: a critic beside its actor.
            found.setdefault(index, last)
        following = pairs[sequence[at + 1]].torch if at + 1 < len(sequence) else None
        if following is None or not _channels(following, 0) or _dimensions(following) is None:
            # What a convolution follows may be made a map again, and be as wide as another one.
            widths |= _outputs(layer)
        channels = 0


def _is_fed(pairs: Sequence[Pair], before: int, index: int) -> bool:
    """Whether two layers of one block stand behind one another and fit, on the other side.

    In torch blocks define their layers in any order, the last one behind a map perhaps, with as
    many inputs as two of its positions have elements. That alone is no sign of a map.
    """
    first, second = pairs[before], pairs[index]
    blocks = {layer.path.rpartition("/")[0] for layer in (first.flax, second.flax)}
    width = inputs_of(second.torch)
    return len(blocks) == 1 and blocks != {""} and width in _outputs(first.torch)


def _in_front(
    pairs: Sequence[Pair],
    sequence: Sequence[int],
    found: dict[int, Map],
    vectors: Collection[int | None],
) -> None:
    """Linears whose outputs are made a map: the first layer of a decoder."""
    for at, index in enumerate(sequence):
        layer = pairs[index].torch
        width = layer.hyperparameters.get("out_features")
        if width is None or inputs_of(layer) is None or width in vectors:
            continue
        between = [index]
        for after in sequence[at + 1 :]:
            following = pairs[after].torch
            if elements_of(following) == width:
                between.append(after)
            elif following.kind is not None:
                break
        else:
            continue
        dimensions = _dimensions(following)
        channels = following.hyperparameters.get("in_channels", 0)
        if dimensions is None or not channels or width <= channels or width % channels:
            continue
        made = Map(
            channels,
            width // channels,
            dimensions,
            f"in front of {following.path.replace('/', '.')}",
            is_output=True,
        )
        if made.is_square:
            for each in between:
                found.setdefault(each, made)


def _outputs(layer: Layer) -> set[int]:
    names = ("out_features", "embedding_dim", "embed_dim", "hidden_size")
    return {layer.hyperparameters[name] for name in names if name in layer.hyperparameters}


def _dimensions(layer: Layer) -> int | None:
    kind = (layer.kind or "").removesuffix(")")
    is_spatial = "Conv" in kind and kind[-2:] in ("1d", "2d", "3d")
    return int(kind[-2]) if is_spatial else None


def _channels(layer: Layer, before: int) -> int | None:
    """How many channels a map has behind a layer; 0 if it is none, None if nothing changes."""
    kind = layer.kind or ""
    if _dimensions(layer) is not None:
        return int(layer.hyperparameters.get("out_channels", 0))
    if layer.kind is None or kind == "PReLU":
        return None
    width = next((layer.hyperparameters[n] for n in _WIDTHS if n in layer.hyperparameters), None)
    if isinstance(width, tuple | list):
        width = width[-1]
    # A normalization of as many channels is one of the map; of others it belongs elsewhere.
    return None if "Norm" in kind and width == before else 0


def elements_of(layer: Layer) -> int | None:
    """The width of vectors that a layer normalizes element by element."""
    # Those of two and three dimensions are of maps as they stand.
    if layer.kind not in ("BatchNorm1d", "LayerNorm", "RMSNorm"):
        return None
    shapes = {shape for shape in layer.shapes.values() if shape}
    return next(iter(shapes))[0] if len(shapes) == 1 and len(next(iter(shapes))) == 1 else None


def inputs_of(layer: Layer) -> int | None:
    """The number of inputs of a layer that takes vectors."""
    name = _weight(layer)
    return layer.shapes[name][1] if name is not None else None


def _weight(layer: Layer) -> str | None:
    kind = layer.kind or ""
    if kind.partition("(")[2].removesuffix(")") == "Linear" or kind == "Linear":
        names: Iterable[str] = (n for n in layer.shapes if n.endswith(("weight", "original1")))
    elif kind.startswith(("RNN", "LSTM", "GRU")):
        names = (name for name in layer.shapes if name.startswith("weight_ih"))
    else:
        return None
    return next((name for name in names if len(layer.shapes[name]) == 2), None)


def input_weights(layer: Layer) -> list[str]:
    """The parameters whose columns are the inputs; of an LSTM one for each direction."""
    first = _weight(layer)
    if first is None or not first.startswith("weight_ih"):
        return [first] if first is not None else []
    return [name for name in layer.shapes if name.startswith("weight_ih")]
