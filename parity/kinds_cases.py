"""The layers of torch.nn to be compared, each built with several sets of constructor arguments.

A case gives torch's own arguments by name; fanwise's table takes the same. What a lazy layer
learns from its input is given apart, since its constructor refuses it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations

__all__ = ["CASES", "KindCase", "cases_of"]

_AROUND: Mapping[str, Callable[[nn.Module], nn.Module]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@dataclass(frozen=True)
class KindCase:
    """One layer.

    Args:
        kind: torch's class, or one in ``weight_norm(...)`` and the like.
        arguments: of its constructor.
        learned: what a lazy layer takes from its input.
        input_shape: of the input that tells it.
    """

    kind: str
    arguments: Mapping[str, Any]
    learned: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = ()

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What fanwise's table is asked with."""
        return {**self.arguments, **self.learned}

    def build(self) -> nn.Module:
        """Construct the layer, a lazy one until it knows its shapes."""
        around, _, inner = self.kind.partition("(")
        if inner:
            return _AROUND[around](getattr(nn, inner.removesuffix(")"))(**self.arguments))
        if self.kind in ("TransformerEncoder", "TransformerDecoder"):
            return _stack(getattr(nn, self.kind), **self.arguments)
        layer: nn.Module = getattr(nn, self.kind)(**self.arguments)
        if self.input_shape:
            # In training the running statistics would move.
            layer.eval()(torch.zeros(self.input_shape))
        return layer

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.hyperparameters.items())
        return f"{self.kind}({given})"


def _stack(
    stack: Callable[..., nn.Module], num_layers: int, norm: bool = False, **arguments: Any
) -> nn.Module:
    """torch's takes the layer to be copied, and the normalization at the end, as modules."""
    part = nn.TransformerEncoderLayer
    if stack is nn.TransformerDecoder:
        part = nn.TransformerDecoderLayer
    at_end = nn.LayerNorm(arguments["d_model"], bias=arguments.get("bias", True)) if norm else None
    return stack(part(**arguments), num_layers, norm=at_end)


def _convolutions() -> list[KindCase]:
    cases = []
    for n in (1, 2, 3):
        kernel = (3, 2, 1)[:n]
        for name in (f"Conv{n}d", f"ConvTranspose{n}d"):
            wide = {"in_channels": 6, "out_channels": 24, "kernel_size": 3}
            cases += [
                KindCase(name, wide),
                KindCase(name, {**wide, "kernel_size": kernel, "bias": False, "stride": 2}),
                KindCase(name, {**wide, "kernel_size": kernel, "groups": 3, "dilation": 2}),
                KindCase(name, {**wide, "in_channels": 24, "out_channels": 6, "groups": 6}),
            ]
            lazy = {"out_channels": 10, "kernel_size": 2, "groups": 2}
            learned = {"in_channels": 4}
            cases += [
                KindCase(f"Lazy{name}", lazy, learned, (1, 4, *(3,) * n)),
                KindCase(f"Lazy{name}", {**lazy, "bias": False}, learned, (1, 4, *(3,) * n)),
            ]
    return cases


def _recurrent() -> list[KindCase]:
    sizes = {"input_size": 5, "hidden_size": 7}
    cases = []
    for name in ("RNN", "LSTM", "GRU"):
        cases += [
            KindCase(name, sizes),
            KindCase(name, {**sizes, "bias": False, "batch_first": True}),
            KindCase(name, {**sizes, "num_layers": 3, "bidirectional": True}),
            KindCase(f"{name}Cell", sizes),
            KindCase(f"{name}Cell", {**sizes, "bias": False}),
        ]
    return [
        *cases,
        KindCase("RNN", {**sizes, "nonlinearity": "relu"}),
        KindCase("LSTM", {**sizes, "proj_size": 3}),
        KindCase("LSTM", {**sizes, "proj_size": 3, "num_layers": 2, "bidirectional": True}),
        KindCase("LSTM", {**sizes, "proj_size": 3, "num_layers": 2, "bias": False}),
        *(
            KindCase("RNNBase", {"mode": mode, **sizes, "num_layers": 2})
            for mode in ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
        ),
        KindCase("RNNBase", {"mode": "LSTM", **sizes, "bias": False, "proj_size": 2}),
        KindCase("RNNCellBase", {**sizes, "bias": True, "num_chunks": 4}),
        KindCase("RNNCellBase", {**sizes, "bias": False, "num_chunks": 3}),
    ]


def _attention() -> list[KindCase]:
    name, sizes = "MultiheadAttention", {"embed_dim": 12, "num_heads": 3}
    separate = {**sizes, "kdim": 5, "vdim": 8}
    return [
        KindCase(name, sizes),
        KindCase(name, {**sizes, "bias": False, "batch_first": True}),
        KindCase(name, {**sizes, "add_bias_kv": True, "add_zero_attn": True, "dropout": 0.5}),
        KindCase(name, separate),
        KindCase(name, {**sizes, "kdim": 5}),
        KindCase(name, {**sizes, "vdim": 20, "bias": False}),
        KindCase(name, {**separate, "add_bias_kv": True}),
        KindCase(name, {**sizes, "kdim": 12, "vdim": 12}),
    ]


def _transformers() -> list[KindCase]:
    sizes = {"d_model": 8, "nhead": 2, "dim_feedforward": 20}
    both = {**sizes, "num_encoder_layers": 2, "num_decoder_layers": 3}
    cases = []
    for part in ("Encoder", "Decoder"):
        layer, stack = f"Transformer{part}Layer", f"Transformer{part}"
        cases += [
            KindCase(layer, sizes),
            KindCase(layer, {**sizes, "bias": False, "norm_first": True}),
            KindCase(layer, {"d_model": 4, "nhead": 1}),
            KindCase(stack, {**sizes, "num_layers": 3}),
            KindCase(stack, {**sizes, "num_layers": 1}),
            KindCase(stack, {**sizes, "num_layers": 2, "norm": True, "bias": False}),
        ]
    return [
        *cases,
        KindCase("Transformer", both),
        KindCase("Transformer", {**both, "bias": False}),
        KindCase("Transformer", {"d_model": 16, "dim_feedforward": 4, "num_encoder_layers": 1}),
    ]


def _normalizing() -> list[KindCase]:
    cases = []
    for n in (1, 2, 3):
        shape = (2, 4, *(3,) * n)
        for name in (f"BatchNorm{n}d", f"InstanceNorm{n}d"):
            cases += [
                KindCase(name, {"num_features": 6}),
                KindCase(name, {"num_features": 6, "affine": True, "track_running_stats": True}),
                KindCase(name, {"num_features": 6, "affine": False}),
                KindCase(name, {"num_features": 6, "track_running_stats": False}),
                KindCase(f"Lazy{name}", {}, {"num_features": 4}, shape),
                KindCase(f"Lazy{name}", {"affine": False}, {"num_features": 4}, shape),
                KindCase(f"Lazy{name}", {"track_running_stats": False}, {"num_features": 4}, shape),
            ]
    return [
        *cases,
        KindCase("SyncBatchNorm", {"num_features": 3}),
        KindCase("SyncBatchNorm", {"num_features": 3, "affine": False}),
        KindCase("LayerNorm", {"normalized_shape": 5}),
        KindCase("LayerNorm", {"normalized_shape": (2, 5), "bias": False}),
        KindCase("LayerNorm", {"normalized_shape": [2, 5], "elementwise_affine": False}),
        KindCase("GroupNorm", {"num_groups": 2, "num_channels": 6}),
        KindCase("GroupNorm", {"num_groups": 2, "num_channels": 6, "affine": False}),
        KindCase("RMSNorm", {"normalized_shape": 5}),
        KindCase("RMSNorm", {"normalized_shape": (4, 5)}),
        KindCase("RMSNorm", {"normalized_shape": 5, "elementwise_affine": False}),
    ]


def _others() -> list[KindCase]:
    linear = {"in_features": 48, "out_features": 6}
    bilinear = {"in1_features": 9, "in2_features": 4, "out_features": 3}
    adaptive = {"in_features": 24, "n_classes": 30, "cutoffs": [5, 12]}
    loss = {"in_features": 11, "num_classes": 3}
    table = {"num_embeddings": 9, "embedding_dim": 4}
    return [
        KindCase("Linear", linear),
        KindCase("Linear", {**linear, "bias": False}),
        KindCase("Linear", {"in_features": 1, "out_features": 3}),
        KindCase("LazyLinear", {"out_features": 3}, {"in_features": 7}, (2, 7)),
        KindCase("LazyLinear", {"out_features": 3, "bias": False}, {"in_features": 7}, (2, 7)),
        KindCase("Bilinear", bilinear),
        KindCase("Bilinear", {**bilinear, "bias": False}),
        KindCase("LinearCrossEntropyLoss", loss),
        KindCase("LinearCrossEntropyLoss", {**loss, "out_features": (2, 5), "bias": True}),
        KindCase("Embedding", table),
        KindCase("Embedding", {**table, "padding_idx": 2, "max_norm": 1.0}),
        KindCase("Embedding", {**table, "padding_idx": -1}),
        KindCase("EmbeddingBag", {**table, "mode": "sum", "include_last_offset": True}),
        KindCase("EmbeddingBag", {**table, "padding_idx": 3}),
        KindCase("PReLU", {}),
        KindCase("PReLU", {"num_parameters": 5, "init": 0.1}),
        KindCase("AdaptiveLogSoftmaxWithLoss", adaptive),
        KindCase(
            "AdaptiveLogSoftmaxWithLoss",
            {**adaptive, "cutoffs": [4, 9, 20], "div_value": 2.0, "head_bias": True},
        ),
    ]


def _reparametrized() -> list[KindCase]:
    linear = {"in_features": 12, "out_features": 5}
    conv = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
    layers = [
        ("Linear", linear),
        ("Linear", {"in_features": 5, "out_features": 12, "bias": False}),
        ("Linear", {"in_features": 6, "out_features": 6}),
        ("Conv1d", conv),
        ("Conv2d", {**conv, "groups": 2}),
        ("Conv2d", {**conv, "kernel_size": (2, 5), "bias": False}),
        ("ConvTranspose2d", conv),
        ("ConvTranspose2d", {**conv, "kernel_size": (4, 3), "groups": 2}),
    ]
    return [KindCase(f"{around}({name})", given) for around in _AROUND for name, given in layers]


CASES: tuple[KindCase, ...] = (
    *_others(),
    *_convolutions(),
    *_recurrent(),
    *_attention(),
    *_transformers(),
    *_normalizing(),
    *_reparametrized(),
)
"""Every class of torch.nn that owns parameters, in several forms."""


def cases_of(kind: str) -> tuple[KindCase, ...]:
    """The cases of one kind."""
    return tuple(case for case in CASES if case.kind == kind)
