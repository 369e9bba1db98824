"""Recipes as JSON files: versioned, without torch, exact.

Expressions are one table of nodes, each with the numbers of its operands, so that draws and parts
in common stay common. Arrays are their bytes, compressed, in base64. Tuples are JSON's lists;
lists and mappings, which only hyperparameters have, are marked.
"""

import base64
import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fanwise import distributions
from fanwise.distributions import Distribution
from fanwise.layers import Layer, Leaf, Piece, View
from fanwise.recording.expression import (
    Call,
    Draw,
    Expression,
    Fill,
    Literal,
    numpy_dtype,
    postorder,
)
from fanwise.recording.recipe import Recipe, Recorded

__all__ = ["load", "save"]

_FORMAT = "fanwise recipe"
_VERSION = 1


def save(recipe: Recipe, path: str | os.PathLike[str]) -> None:
    """Write a recipe; a file that is there is replaced only by a whole one."""
    text = json.dumps(_written(recipe), indent=1, allow_nan=False)
    target = Path(path)
    part = target.with_name(f"{target.name}.part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, target)


def load(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe.

    Raises:
        ValueError: if the file is no recipe, is damaged, or is of a version that is not known.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no recipe: it is not JSON ({error})") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is no recipe: it has no format={_FORMAT!r}; recipes are written by Recipe.save"
        )
    if content.get("version") != _VERSION:
        raise ValueError(
            f"{path} is a recipe of version {content.get('version')!r}, and this fanwise reads "
            f"version {_VERSION}; install the fanwise that wrote it, or record the model again"
        )
    try:
        return _read(content)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged: {type(error).__name__}: {error}; record the model again"
        ) from error


def _written(recipe: Recipe) -> dict[str, Any]:
    values = [each.value for each in recipe.tensors.values() if isinstance(each.value, Expression)]
    nodes = list(postorder(*values))
    numbers = {id(node): number for number, node in enumerate(nodes)}
    tensors = {}
    for name, each in recipe.tensors.items():
        is_expression = isinstance(each.value, Expression)
        row: dict[str, Any] = {"shape": list(each.shape), "dtype": each.dtype}
        row["value"] = numbers[id(each.value)] if is_expression else _of_law(each.value)
        if each.is_buffer:
            row["buffer"] = "persistent" if each.is_persistent else "not persistent"
        tensors[name] = row
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "tensors": tensors,
        "ties": dict(recipe.ties),
        "notes": list(recipe.notes),
        "expressions": [_of_node(node, numbers) for node in nodes],
        "layers": [_of_layer(layer) for layer in recipe.layers],
    }


def _read(content: Mapping[str, Any]) -> Recipe:
    nodes: list[Expression] = []
    for row in content["expressions"]:
        nodes.append(_node(row, nodes))
    tensors = {}
    for name, row in content["tensors"].items():
        value = row["value"]
        buffer = row.get("buffer")
        tensors[name] = Recorded(
            tuple(row["shape"]),
            row["dtype"],
            nodes[value] if isinstance(value, int) else _law(value),
            buffer is not None,
            buffer != "not persistent",
        )
    for name, first in content["ties"].items():
        if first not in tensors:
            raise ValueError(f"{name} is tied to {first!r}, which is not there")
    return Recipe(
        tensors,
        tuple(_layer(row) for row in content["layers"]),
        dict(content["ties"]),
        tuple(content["notes"]),
    )


def _of_law(law: Any) -> dict[str, Any]:
    named = {field.name: _plain(getattr(law, field.name)) for field in fields(law)}
    return {"law": type(law).__name__, **named}


def _law(row: Mapping[str, Any]) -> Distribution:
    arguments = {name: _value(value) for name, value in row.items() if name != "law"}
    if row["law"] not in distributions.__all__:
        raise ValueError(f"there is no distribution {row['law']!r}")
    made: Distribution = getattr(distributions, row["law"])(**arguments)
    return made


def _of_node(node: Expression, numbers: Mapping[int, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"shape": list(node.shape), "dtype": node.dtype}
    match node:
        case Draw():
            row |= {"draw": node.name, "from": _of_law(node.distribution)}
            if node.is_shared:
                row["shared"] = True
        case Fill():
            row["fill"] = _plain(node.value)
        case Literal():
            row["literal"] = base64.b64encode(zlib.compress(node.data, 9)).decode("ascii")
        case Call():
            row["call"] = node.operation
            row["of"] = [numbers[id(each)] for each in node.operands]
            if node.settings:
                row["with"] = {name: _plain(value) for name, value in node.settings}
        case _:
            raise TypeError(f"{node} cannot be saved")
    return row


def _node(row: Mapping[str, Any], nodes: list[Expression]) -> Expression:
    shape, dtype = tuple(row["shape"]), str(row["dtype"])
    if "draw" in row:
        return Draw(shape, dtype, row["draw"], _law(row["from"]), row.get("shared", False))
    if "fill" in row:
        return Fill(shape, dtype, _value(row["fill"]))
    if "literal" in row:
        data = zlib.decompress(base64.b64decode(row["literal"], validate=True))
        if len(data) != math.prod(shape) * numpy_dtype(dtype).itemsize:
            raise ValueError(f"a literal of shape {shape} has {len(data)} bytes")
        return Literal(shape, dtype, data)
    settings = tuple((name, _value(value)) for name, value in row.get("with", {}).items())
    if any(not 0 <= number < len(nodes) for number in row["of"]):
        raise ValueError("an expression is made of one that comes later")
    operands = tuple(nodes[number] for number in row["of"])
    return Call(shape, dtype, row["call"], operands, settings)


def _of_layer(layer: Layer) -> dict[str, Any]:
    row = {
        field.name: _plain(getattr(layer, field.name))
        for field in fields(layer)
        if field.name not in ("leaves", "parameters", "buffers")
    }
    row["parameters"] = {name: list(shape) for name, shape in layer.parameters.items()}
    row["buffers"] = {name: list(shape) for name, shape in layer.buffers.items()}
    row["leaves"] = [_of_leaf(leaf) for leaf in layer.leaves]
    return row


def _layer(row: Mapping[str, Any]) -> Layer:
    own = {
        name: _value(value)
        for name, value in row.items()
        if name not in ("leaves", "parameters", "buffers")
    }
    return Layer(
        **own,
        parameters=_shapes(row["parameters"]),
        buffers=_shapes(row["buffers"]),
        leaves=tuple(_leaf(each) for each in row["leaves"]),
    )


def _shapes(row: Mapping[str, Iterable[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in row.items()}


def _of_leaf(leaf: Leaf) -> dict[str, Any]:
    if not isinstance(leaf.path, str):
        raise TypeError(f"a leaf's path must be a string to be saved, got {leaf.path!r}")
    return {
        "path": leaf.path,
        "name": leaf.name,
        "shape": list(leaf.shape),
        "dtype": np.dtype(leaf.dtype).name,
        "pieces": [_of_piece(piece) for piece in leaf.pieces],
        "stack": _plain(leaf.stack),
    }


def _leaf(row: Mapping[str, Any]) -> Leaf:
    return Leaf(
        row["path"],
        row["name"],
        tuple(row["shape"]),
        numpy_dtype(row["dtype"]),
        tuple(_piece(each) for each in row["pieces"]),
        _value(row["stack"]),
    )


def _of_piece(piece: Piece) -> dict[str, Any]:
    view = {field.name: _plain(getattr(piece.view, field.name)) for field in fields(piece.view)}
    return {
        "name": piece.name,
        "view": view,
        "part": _plain(piece.part),
        "at": _plain(piece.at),
    }


def _piece(row: Mapping[str, Any]) -> Piece:
    view = View(**{name: _value(value) for name, value in row["view"].items()})
    return Piece(row["name"], view, _value(row["part"]), _value(row["at"]))


def _plain(value: Any) -> Any:
    """A value in JSON's types."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, complex):
        return {"complex": [_plain(value.real), _plain(value.imag)]}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, list):
        return {"list": [_plain(each) for each in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[_plain(key), _plain(each)] for key, each in value.items()]}
    raise TypeError(
        f"{value!r} of type {type(value).__name__} cannot be saved; a recipe holds numbers, "
        f"strings, None, and tuples, lists and mappings of them"
    )


def _value(value: Any) -> Any:
    """The way back."""
    if isinstance(value, list):
        return tuple(_value(each) for each in value)
    if not isinstance(value, Mapping):
        return value
    ((kind, inner),) = value.items()
    match kind:
        case "float":
            return float(inner)
        case "complex":
            return complex(*(_value(each) for each in inner))
        case "list":
            return [_value(each) for each in inner]
        case "mapping":
            return {_value(key): _value(each) for key, each in inner}
    raise ValueError(f"{kind!r} is no kind of value")
