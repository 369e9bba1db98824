"""Architectures that nobody here wrote: Hugging Face's, of random configurations, are recorded."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import nn

from parity.layer_result import LayerRow
from parity.progress import SILENT, Progress
from parity.record_exact import mismatches
from parity.record_planted import planted

__all__ = ["ARCHITECTURES", "configurations", "quiet", "row_of", "run"]

Factory = Callable[[], nn.Module]

_PER_ARCHITECTURE = 3

_PLANTED = (
    "the std is 1.5 times as large",
    "uniform(a, b) is [0, b)",
    "an assignment to a slice is not seen",
    "ties are not seen",
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' remarks on token numbers that a small vocabulary does not have."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _sizes(draw: np.random.Generator) -> dict[str, int]:
    """Of a transformer."""
    heads = int(draw.integers(2, 5))
    width = heads * 4 * int(draw.integers(2, 6))
    return {
        "hidden_size": width,
        "num_hidden_layers": int(draw.integers(1, 4)),
        "num_attention_heads": heads,
        "intermediate_size": int(draw.integers(16, 150)),
    }


def _range(draw: np.random.Generator) -> float:
    return round(float(draw.uniform(0.005, 0.1)), 4)


def _gpt2(draw: np.random.Generator) -> Factory:
    from transformers.models.gpt2 import GPT2Config, GPT2LMHeadModel, GPT2Model

    sizes = _sizes(draw)
    config = GPT2Config(
        n_embd=sizes["hidden_size"],
        n_layer=sizes["num_hidden_layers"],
        n_head=sizes["num_attention_heads"],
        vocab_size=int(draw.integers(40, 300)),
        n_positions=int(draw.integers(16, 80)),
        initializer_range=_range(draw),
        tie_word_embeddings=bool(draw.integers(2)),
        scale_attn_by_inverse_layer_idx=bool(draw.integers(2)),
    )
    model = GPT2LMHeadModel if draw.integers(3) else GPT2Model
    return lambda: model(config)


def _bert(draw: np.random.Generator) -> Factory:
    from transformers.models.bert import (
        BertConfig,
        BertForMaskedLM,
        BertForSequenceClassification,
        BertModel,
    )

    config = BertConfig(
        **_sizes(draw),
        vocab_size=int(draw.integers(40, 300)),
        max_position_embeddings=int(draw.integers(16, 80)),
        initializer_range=_range(draw),
        pad_token_id=int(draw.integers(0, 40)),
        num_labels=int(draw.integers(2, 6)),
    )
    models = (BertModel, BertForMaskedLM, BertForSequenceClassification)
    model = models[draw.integers(3)]
    return lambda: model(config)


def _vit(draw: np.random.Generator) -> Factory:
    from transformers.models.vit import ViTConfig, ViTForImageClassification

    patch = int(draw.integers(4, 9))
    config = ViTConfig(
        **_sizes(draw),
        patch_size=patch,
        image_size=patch * int(draw.integers(2, 6)),
        initializer_range=_range(draw),
        qkv_bias=bool(draw.integers(2)),
        num_labels=int(draw.integers(2, 12)),
    )
    return lambda: ViTForImageClassification(config)


def _llama(draw: np.random.Generator) -> Factory:
    from transformers.models.llama import LlamaConfig, LlamaForCausalLM

    sizes = _sizes(draw)
    config = LlamaConfig(
        **sizes,
        num_key_value_heads=int(draw.choice([1, sizes["num_attention_heads"]])),
        vocab_size=int(draw.integers(40, 300)),
        initializer_range=_range(draw),
        tie_word_embeddings=bool(draw.integers(2)),
        attention_bias=bool(draw.integers(2)),
        pad_token_id=3 if draw.integers(2) else None,
    )
    return lambda: LlamaForCausalLM(config)


def _t5(draw: np.random.Generator) -> Factory:
    from transformers.models.t5 import T5Config, T5ForConditionalGeneration

    sizes = _sizes(draw)
    config = T5Config(
        d_model=sizes["hidden_size"],
        d_kv=int(draw.integers(4, 20)),
        d_ff=sizes["intermediate_size"],
        num_layers=sizes["num_hidden_layers"],
        num_heads=sizes["num_attention_heads"],
        vocab_size=int(draw.integers(40, 300)),
        initializer_factor=round(float(draw.uniform(0.3, 2)), 3),
        feed_forward_proj=str(draw.choice(["relu", "gated-gelu"])),
        tie_word_embeddings=bool(draw.integers(2)),
    )
    return lambda: T5ForConditionalGeneration(config)


def _clip(draw: np.random.Generator) -> Factory:
    from transformers.models.clip import CLIPConfig, CLIPModel

    text: dict[str, Any] = {**_sizes(draw), "vocab_size": int(draw.integers(40, 300))}
    vision: dict[str, Any] = {**_sizes(draw), "image_size": 32, "patch_size": 8}
    factor = round(float(draw.uniform(0.5, 2)), 3)
    config = CLIPConfig(
        text_config=text | {"initializer_factor": factor},
        vision_config=vision | {"initializer_range": _range(draw)},
        projection_dim=int(draw.integers(8, 60)),
        logit_scale_init_value=round(float(draw.uniform(1, 3)), 3),
        initializer_factor=factor,
    )
    return lambda: CLIPModel(config)


def _wav2vec2(draw: np.random.Generator) -> Factory:
    from transformers.models.wav2vec2 import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model

    sizes = _sizes(draw)
    config = Wav2Vec2Config(
        **sizes,
        conv_dim=(int(draw.integers(8, 40)),) * 7,
        vocab_size=int(draw.integers(10, 40)),
        num_conv_pos_embeddings=int(draw.integers(4, 20)),
        num_conv_pos_embedding_groups=sizes["num_attention_heads"],
        initializer_range=_range(draw),
        feat_extract_norm=str(draw.choice(["group", "layer"])),
        do_stable_layer_norm=bool(draw.integers(2)),
    )
    model = Wav2Vec2ForCTC if draw.integers(2) else Wav2Vec2Model
    return lambda: model(config)


def _convnext(draw: np.random.Generator) -> Factory:
    from transformers.models.convnext import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(
        hidden_sizes=[int(n) for n in draw.integers(8, 60, 4)],
        depths=[int(n) for n in draw.integers(1, 3, 4)],
        drop_path_rate=round(float(draw.uniform(0, 0.3)), 2),
        layer_scale_init_value=float(draw.choice([1e-6, 1e-2, 0.0])),
        initializer_range=_range(draw),
        num_labels=int(draw.integers(2, 12)),
    )
    return lambda: ConvNextForImageClassification(config)


ARCHITECTURES: dict[str, Callable[[np.random.Generator], Factory]] = {
    "GPT-2": _gpt2,
    "BERT": _bert,
    "ViT": _vit,
    "Llama": _llama,
    "T5": _t5,
    "CLIP": _clip,
    "wav2vec2": _wav2vec2,
    "ConvNeXt": _convnext,
}
"""By name: a constructor of a model of a random configuration."""


def configurations(name: str, seed: int, count: int = _PER_ARCHITECTURE) -> list[Factory]:
    """Constructors of models of as many configurations."""
    draw = np.random.default_rng([seed, *name.encode()])
    return [ARCHITECTURES[name](draw) for _ in range(count)]


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """A row for each architecture: every tensor of every configuration is compared."""
    with quiet():
        return [
            row_of(name, configurations(name, seed), seed, "Hugging Face's")
            for name in progress.track(ARCHITECTURES, "transformers")
        ]


def row_of(name: str, factories: list[Factory], seed: int, whose: str) -> LayerRow:
    """The row of some models: every tensor of each is compared, and wrong recorders are noticed."""
    failures = [
        f"configuration {number}: {line}"
        for number, factory in enumerate(factories)
        for line in mismatches(factory, seed)
    ]
    caught = {error: _is_noticed(error, factories, seed) for error in _PLANTED}
    # What an architecture does not do at all cannot be done wrong: most assign to no slice.
    planted_errors = [error for error, is_noticed in caught.items() if is_noticed is not None]
    return LayerRow(
        name,
        "recorded",
        sum(len(list(factory().state_dict())) for factory in factories),
        tuple(failures),
        len(planted_errors),
        tuple(error for error in planted_errors if not caught[error]),
        None,
        f"{whose} constructor, each number",
    )


def _is_noticed(error: str, factories: list[Factory], seed: int) -> bool | None:
    """Whether a wrong recorder is noticed in one of them; None if its error does not occur."""
    from fanwise.frameworks.torch_record import record

    for factory in factories:
        right = record(factory)
        with planted(error):
            if record(factory) == right:
                continue
            return bool(mismatches(factory, seed))
    return None
