"""Ports of torch models whose Flax side starts differently, each by one of six mistakes.

They are written as such ports are found: the torch model with its own initialization, the Flax one
with the initializers that its author took for the same. Each has the same port mended beside it.
Forward passes are there where Flax needs one to find the layers.
"""

from parity.faulty_ports.arguments import PORTS as _ARGUMENTS
from parity.faulty_ports.defaults import PORTS as _DEFAULTS
from parity.faulty_ports.depth import PORTS as _DEPTH
from parity.faulty_ports.packed import PORTS as _PACKED
from parity.faulty_ports.port import Port
from parity.faulty_ports.structure import PORTS as _STRUCTURE
from parity.faulty_ports.transposed import PORTS as _TRANSPOSED

__all__ = ["PORTS", "Port"]

PORTS: tuple[Port, ...] = (
    *_PACKED,
    *_TRANSPOSED,
    *_DEFAULTS,
    *_DEPTH,
    *_ARGUMENTS,
    *_STRUCTURE,
)
"""Each of the six causes twice."""
