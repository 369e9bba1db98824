"""The geometry of a convolution, from the operation in the traced program."""

from typing import Any

from fanwise.signal.window import Window

__all__ = ["window_of"]


def window_of(
    equation: Any, shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> Window | None:
    """Which taps lie inside of the map.

    Args:
        equation: the ``conv_general_dilated`` that the layer runs; None if it runs none or several.
        shape: of the layer's input, channels last.
        output_shape: of its output.

    Returns:
        The window; None where the map is made larger before, or wrapped afterwards, as for circular
        padding, and for what is no convolution.
    """
    if equation is None:
        return None
    parameters = equation.params
    numbers = parameters["dimension_numbers"]
    inputs, kernel = (variable.aval.shape for variable in equation.invars)
    size = tuple(inputs[axis] for axis in numbers.lhs_spec[2:])
    outputs = equation.outvars[0].aval.shape
    made = tuple(outputs[axis] for axis in numbers.out_spec[2:])
    if size != shape[-1 - len(size) : -1] or made != output_shape[-1 - len(size) : -1]:
        return None
    return Window(
        size=size,
        kernel=tuple(kernel[axis] for axis in numbers.rhs_spec[2:]),
        strides=parameters["window_strides"],
        padding=tuple(parameters["padding"]),
        dilation=parameters["rhs_dilation"],
        input_dilation=parameters["lhs_dilation"],
    )
