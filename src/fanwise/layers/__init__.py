"""Layers in torch's vocabulary: every class of torch.nn that owns parameters."""

from fanwise.layers.kind import Derived, Kind, family
from fanwise.layers.kinds import KINDS, kind_of
from fanwise.layers.layer import Layer, Leaf, Piece
from fanwise.layers.reparametrization import orthogonal, spectral_norm, weight_norm
from fanwise.layers.view import View

__all__ = [
    "KINDS",
    "Derived",
    "Kind",
    "Layer",
    "Leaf",
    "Piece",
    "View",
    "family",
    "kind_of",
    "orthogonal",
    "spectral_norm",
    "weight_norm",
]
