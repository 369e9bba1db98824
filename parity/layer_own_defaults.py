"""What Flax draws where fanwise is not used: read off from the modules' own init.

``parity/test_layer_rows.py`` draws from them and compares; lecun_normal is a normal truncated at
two std whose std is 1/sqrt(fan_in).
"""

from collections.abc import Mapping

__all__ = ["OWN_DEFAULTS"]

_KERNEL_AND_BIAS = "kernel lecun_normal; bias 0"
_SCALE_AND_BIAS = "scale 1; bias 0"
_GATES = {
    "linen RNN": "i kernel lecun_normal; h kernel orthogonal; bias 0",
    "linen LSTM": "input kernels lecun_normal; hidden kernels orthogonal; biases 0",
    "nnx RNN": "dense_i kernel lecun_normal; dense_h kernel orthogonal; bias 0",
}
_NO_PLACE = f"{_GATES['nnx RNN']}; no place for the new gate's hidden bias, which torch has"
_ATTENTION = "query, key, value, out: kernel lecun_normal; bias 0"

_BOTH = {
    "Linear": _KERNEL_AND_BIAS,
    "Conv": _KERNEL_AND_BIAS,
    "ConvTranspose": _KERNEL_AND_BIAS,
    "Embedding": "embedding normal, std 1/sqrt(features)",
    "PReLU": "negative_slope 0.01",
    "MultiheadAttention": _ATTENTION,
    "BatchNorm": "scale, var 1; bias, mean 0",
    "InstanceNorm": _SCALE_AND_BIAS,
    "LayerNorm": _SCALE_AND_BIAS,
    "GroupNorm": _SCALE_AND_BIAS,
    "RMSNorm": "scale 1",
}

OWN_DEFAULTS: Mapping[tuple[str, str], str] = {
    **{(framework, name): text for name, text in _BOTH.items() for framework in ("linen", "nnx")},
    ("linen", "weight_norm(...)"): "each output's kernel has the norm 1; bias 0; scale 1",
    ("nnx", "weight_norm(...)"): "kernel lecun_normal; bias 0; scale 1, not the kernel's norm",
    **{
        ("linen", f"{kind}{suffix}"): _GATES["linen RNN" if kind == "RNN" else "linen LSTM"]
        for kind in ("RNN", "LSTM", "GRU")
        for suffix in ("", "Cell")
    },
    **{
        ("nnx", f"{kind}{suffix}"): text
        for kind, text in (
            ("RNN", _GATES["nnx RNN"]),
            ("LSTM", _GATES["linen LSTM"]),
            ("GRU", _NO_PLACE),
        )
        for suffix in ("", "Cell")
    },
}
"""By framework and row."""
