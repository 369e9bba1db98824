"""Names for the twin: as in torch, other ones, or those that linen gives by numbers."""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from parity.fuzz.choice import pick, toss
from parity.fuzz.flat import Unembedding
from parity.fuzz.group import Group, Part
from parity.fuzz.node import Bare, Function, Node
from parity.fuzz.sequences import Heads

__all__ = ["named"]

Rng = np.random.Generator

_OTHERS = {
    "act": ("activation",),
    "attention": ("attn", "self_attention"),
    "attn": ("self_attn", "attention"),
    "blocks": ("layers", "block"),
    "bn": ("norm", "BatchNorm_"),
    "classifier": ("head", "mlp_head"),
    "cls_token": ("cls", "class_token"),
    "conv": ("Conv_", "conv_"),
    "conv_proj": ("embedding", "patch_embed"),
    "embed": ("embedding", "wte"),
    "embed_tokens": ("embed", "token_embedding"),
    "embedding": ("embed", "token_embed"),
    "encoder": ("rnn", "recurrent"),
    "fc": ("dense", "linear"),
    "fc_in": ("stem", "inputs"),
    "fc_out": ("head", "out"),
    "features": ("backbone", "convs"),
    "head": ("classifier", "logits"),
    "layers": ("blocks", "h"),
    "lin": ("linear", "dense"),
    "linear": ("fc", "dense"),
    "lm_head": ("output", "logits"),
    "ln": ("norm", "layer_norm"),
    "ln_": ("norm", "ln"),
    "ln_f": ("final_norm", "norm"),
    "lstm": ("rnn", "encoder"),
    "mlp": ("ffn", "feed_forward"),
    "norm": ("ln", "layer_norm"),
    "out": ("head", "logits"),
    "patch_embed": ("embedding", "patches"),
    "pos_embed": ("pos_embedding", "positional_embedding"),
    "rnn": ("lstm", "encoder"),
    "self_attn": ("attn", "attention"),
    "stages": ("blocks", "layers"),
    "stem": ("inputs", "conv_stem"),
    "tag": ("head", "tagger"),
}
"""What ports call things; names that end in a number keep it."""


@dataclass(frozen=True)
class _Style:
    """How one twin names its parts.

    Args:
        framework: linen or nnx.
        manner: ``"same"``, ``"other"``, ``"numbered"`` (by linen), ``"flat"`` (the same, without
            modules in modules), or ``"mixed"``, one of the first three for each module.
        is_setup: whether linen's modules have a ``setup`` where they can.
        others: torch's names and what they became, the same everywhere in a model.
        modules: groups and what they became, as all blocks of one class have the same names.
    """

    framework: str
    manner: str
    is_setup: bool
    others: dict[str, str] = field(default_factory=dict)
    modules: dict[Group, Group] = field(default_factory=dict)

    def of_module(self, rng: Rng) -> str:
        """The manner of one module."""
        if self.manner != "mixed":
            return self.manner
        return pick(rng, _MIXED if self.framework == "linen" else _MIXED[:2])


_MIXED = ("same", "other", "numbered")


def named(rng: Rng, root: Group, framework: str) -> Group:
    """The same model with names for a twin.

    Args:
        rng: what the names are chosen with.
        root: the model.
        framework: linen or nnx, which has no numbers of its own and no flat twins.
    """
    manners = ("same", "same", "other", "mixed")
    if framework == "linen":
        manners = (*manners, "numbered", "numbered", "flat")
    style = _Style(framework, pick(rng, manners), toss(rng, 0.4))
    return _module(rng, root, style, style.of_module(rng))


def _module(rng: Rng, group: Group, style: _Style, manner: str) -> Group:
    """A group that is a module of the twin."""
    made = _parts(rng, group, style, manner)
    names = [part.twin for part in made.members if part.twin is not None]
    if len(set(names)) < len(names):
        return _module(rng, group, style, "same")  # two names of torch became one
    is_tied = any(isinstance(part.node, Unembedding) for part in group.parts)
    if group.form == "class" and manner == "same" and not is_tied and toss(rng, 0.2):
        # Defined in another order than run, which the names of both sides survive. A table comes
        # before what is tied to it, since torch's first name of a tensor is the one that counts.
        order = rng.permutation(len(made.members))
        made = replace(made, defined=tuple(map(int, order)))
    return replace(made, is_setup=style.is_setup and manner != "numbered")


def _parts(rng: Rng, group: Group, style: _Style, manner: str) -> Group:
    parts, count = [], 0
    for part in group.parts:
        twin = _twin(rng, group, part, style, manner)
        if group.form == "Sequential" and style.framework == "nnx" and twin is not None:
            # A list of nnx has no place for functions.
            twin, count = str(count), count + 1
        parts.append(Part(part.name, _node(rng, part.node, style, manner), twin))
    return replace(group, parts=tuple(parts))


def _node(rng: Rng, node: Node, style: _Style, manner: str) -> Node:
    if isinstance(node, Heads):
        is_split = node.twins is not None and len(node.twins) > len(node.names)
        # Three Linears for a packed one have names of their own in every port.
        return replace(node, twins=None) if manner == "numbered" and not is_split else node
    if not isinstance(node, Group):
        return node
    if node.form == "Sequential" and style.framework == "nnx":
        return replace(_parts(rng, node, style, style.of_module(rng)), is_inlined=True)
    if node.is_list:
        return _parts(rng, node, style, manner)
    if manner == "flat":
        return replace(_parts(rng, node, style, manner), is_inlined=True)
    if node not in style.modules:
        style.modules[node] = _module(rng, node, style, style.of_module(rng))
    return style.modules[node]


def _twin(rng: Rng, group: Group, part: Part, style: _Style, manner: str) -> str | None:
    node = part.node
    if isinstance(node, Function) or (isinstance(node, Group) and node.form == "span"):
        return None
    if manner == "numbered" and not isinstance(node, Bare):
        return None
    if group.form == "Sequential" and manner != "flat":
        return f"layers_{part.name}"
    if group.form in ("Sequential", "ModuleList", "ModuleDict") or manner in ("same", "flat"):
        return part.name
    base, digits = re.fullmatch(r"(.*?)(\d*)", part.name).groups()  # type: ignore[union-attr]
    if base not in style.others:
        style.others[base] = pick(rng, _OTHERS.get(base, (base,)))
    return style.others[base] + digits
