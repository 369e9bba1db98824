"""torch's parameters put into the arrays of another framework, by the pieces of its layers.

They are converted as :func:`fanwise.port.weights` does it, in float64 and rounded at the end.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.layers import Layer
from fanwise.porting.assemble import assembled

__all__ = ["Array", "arrays_of"]

Array = npt.NDArray[Any]


def arrays_of(layers: Iterable[Layer], parameters: Mapping[str, Mapping[str, Array]]) -> Any:
    """All arrays by path; those of a stack put together.

    Args:
        layers: of the framework's model.
        parameters: of torch's layers, by the path of ours.
    """
    layers = list(layers)

    def hub(index: int) -> dict[str, Array]:
        own = parameters[layers[index].path]
        return {name: array.astype(np.float64) for name, array in own.items()}

    return {path: array.astype(np.float32) for path, array in assembled(layers, hub)}
