"""Constructors as people write them, one for each thing that a recorder can miss."""

import copy
import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import init
from torch.nn.init import orthogonal_, trunc_normal_, xavier_uniform_
from torch.nn.utils import parametrizations, parametrize

__all__ = ["CASES", "with_parameters"]

CASES: dict[str, Callable[[], nn.Module]] = {}
"""Those that are recorded without memory."""

Function = Callable[[], nn.Module]


def _case(function: Function) -> Function:
    CASES[function.__name__] = function
    return function


def with_parameters(**tensors: torch.Tensor) -> nn.Module:
    """A module of these parameters."""
    module = nn.Module()
    for name, tensor in tensors.items():
        setattr(module, name, nn.Parameter(tensor))
    return module


@_case
def defaults() -> nn.Module:
    return nn.Sequential(
        nn.Linear(40, 30),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.ConvTranspose1d(4, 6, 3),
        nn.Bilinear(5, 6, 7),
        nn.LSTM(8, 9, 2, bidirectional=True),
        nn.GRU(8, 9),
        nn.MultiheadAttention(12, 3, add_bias_kv=True),
        nn.MultiheadAttention(12, 3, kdim=7, vdim=5),
        nn.BatchNorm2d(5),
        nn.GroupNorm(2, 6),
        nn.PReLU(3),
        nn.AdaptiveLogSoftmaxWithLoss(16, 30, [5, 12]),
        nn.EmbeddingBag(20, 5),
    )


@_case
def padding_row() -> nn.Module:
    return nn.Sequential(nn.Embedding(30, 20, padding_idx=3), nn.Embedding(9, 4, padding_idx=-1))


@_case
def functions_of_init() -> nn.Module:
    module = nn.ModuleDict({name: nn.Conv2d(8, 12, 3) for name in "abcdefghijk"})
    init.uniform_(module["a"].weight, -0.3, 0.7)
    init.normal_(module["b"].weight, 0.5, 2.0)
    init.constant_(module["c"].weight, 0.3)
    init.ones_(module["d"].weight)
    init.zeros_(module["e"].weight)
    init.xavier_normal_(module["f"].weight, gain=1.7)
    init.kaiming_uniform_(module["g"].weight, a=0.2)
    init.kaiming_normal_(module["h"].weight, mode="fan_out", nonlinearity="relu")
    init.dirac_(module["i"].weight, 2)
    init.orthogonal_(module["j"].weight, gain=math.sqrt(2))
    xavier_uniform_(module["k"].weight)
    return module


@_case
def imported_by_name_before() -> nn.Module:
    module = nn.ModuleList([nn.Linear(40, 30), nn.Linear(30, 40), nn.Linear(10, 10)])
    trunc_normal_(module[0].weight, std=0.02)
    trunc_normal_(module[0].bias, 1.0, 2.0, a=0.0, b=2.0)
    trunc_normal_(module[1].bias, 0.0, 1.0, a=2.0, b=3.0)
    orthogonal_(module[1].weight, 1.3)
    init.eye_(module[2].weight)
    init.sparse_(module[2].weight.data, 0.3, std=0.5)
    return module


@_case
def methods_of_tensors() -> nn.Module:
    module = nn.ModuleList([nn.Linear(20, 30) for _ in range(6)])
    module[0].weight.data.uniform_(-0.1, 0.1)
    module[1].weight.data.normal_(mean=1.0, std=0.2)
    module[2].weight.data.fill_(0.7)
    module[3].weight.data.zero_()
    with torch.no_grad():
        module[4].weight.normal_().mul_(0.5).add_(2.0).div_(4.0).sub_(0.25)
        module[4].bias.copy_(module[3].bias)
        module[5].weight[:] = module[0].weight * -3
        module[5].bias.neg_()
    return module


@_case
def scaled_by_depth() -> nn.Module:
    module = nn.ModuleList([nn.Linear(20, 20) for _ in range(4)])
    for depth, layer in enumerate(module):
        layer.weight.data.div_(math.sqrt(2.0 * (depth + 1)))
        layer.bias.data *= 0.5
    return module


@_case
def slices() -> nn.Module:
    lstm = nn.LSTM(10, 12, 2)
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            parameter.data.fill_(0)
            parameter.data[12:24].fill_(1)
        elif "weight_hh" in name:
            for gate in range(4):
                init.orthogonal_(parameter.data[12 * gate : 12 * (gate + 1)])
    linear = nn.Linear(16, 8)
    with torch.no_grad():
        linear.weight[:, ::2] = 0
        linear.weight[2:5, 3:7].normal_(0, 0.1)
        linear.weight[-1] += 1
        linear.weight[0, 1] = 5.0
        linear.weight[torch.tensor([1, 6])] = 2.0
        linear.weight[1:3].mul_(0.5)
        linear.bias[linear.bias > 0.1] = 0.1
    return nn.ModuleList([lstm, linear])


@_case
def parts_of_empty_memory() -> nn.Module:
    weight = torch.empty(24, 8)
    for part in range(3):
        init.xavier_uniform_(weight[8 * part : 8 * (part + 1)])
    columns = torch.empty(6, 10)
    columns[:, ::2].normal_()
    columns[:, 1::2].fill_(1.0)
    return with_parameters(weight=weight, columns=columns)


@_case
def made_from_values() -> nn.Module:
    return with_parameters(
        ones=torch.ones(6),
        scale=1e-5 * torch.ones(7),
        temperature=torch.tensor(2.6592),
        log=torch.ones([]) * np.log(1 / 0.07),
        listed=torch.tensor([0.1, 0.2, 0.4]),
        positions=torch.randn(1, 9, 12) * 0.02,
        token=torch.zeros(1, 1, 12),
        shifted=torch.rand(10, 12) * 2 - 1,
        line=torch.linspace(0, 1, 11),
        identity=torch.eye(5),
        full=torch.full((3, 4), 0.25),
        arange=torch.log(torch.arange(1, 17, dtype=torch.float32).repeat(4, 1)),
        transposed=torch.randn(20, 30).t() / 30**0.5,
        like=torch.zeros_like(torch.ones(4, 5)).uniform_(0, 3),
        joined=torch.cat([torch.randn(5, 20), torch.zeros(3, 20)]),
        drawn=torch.normal(0.5, 0.1, (12, 13)),
        spread=torch.normal(torch.zeros(8, 9), torch.full((8, 9), 0.3)),
        normal=torch.empty(30, 20).normal_(0, 0.02).clamp_(-0.05, 0.05),
        strided=torch.randn(6, 5, 4).permute(2, 0, 1).contiguous(),
        numpy=torch.from_numpy(np.arange(12.0).reshape(3, 4)).float(),
    )


@_case
def known_whatever_was_done() -> nn.Module:
    """Operations that nobody listed, on numbers that are known all the same."""
    grid = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")).flatten(1)
    relative = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0).contiguous()
    relative[:, :, 0] += 2
    module = with_parameters(
        top=torch.topk(torch.linspace(0, 1, 9) ** 2, 3).values,
        sorted=torch.tensor([3.0, 1.0, 2.0]).sort().values,
        window=torch.hann_window(12),
        polar=torch.view_as_real(torch.polar(torch.ones(4), torch.arange(4.0))),
        masked=torch.arange(10.0)[torch.arange(10) % 3 == 0],
        onehot=torch.nn.functional.one_hot(torch.tensor([0, 2, 1])).float(),
    )
    module.register_buffer("index", relative.sum(-1))
    module.register_buffer("counts", torch.bincount(torch.tensor([0, 1, 1, 3])))
    return module


@_case
def less_usual_operations() -> nn.Module:
    gates = torch.randn(8, 8)
    gates[0:4].normal_(0, 0.1)
    gates[4:8] = 1.0
    gates[0:4].mul_(0.5)
    gates[0:4] += 0.25
    filled = torch.randn(5, 7)
    return with_parameters(
        gates=gates,
        diagonal=torch.randn(6, 4).fill_diagonal_(1.0),
        filled=filled.index_fill_(1, torch.tensor([0, 3]), -1.0),
        logits=torch.logit(torch.rand(6, 5), eps=1e-3),
        soft=torch.softmax(torch.randn(6, 5), -1) + torch.nn.functional.softplus(torch.randn(6, 5)),
        largest=torch.randn(6, 5) / torch.randn(6, 5).abs().max(),
        smallest=torch.min(torch.randn(6, 5), torch.zeros(5)),
        centred=(lambda x: (x - x.mean(0)) / x.std(0))(torch.randn(20, 5)),
        unit=torch.nn.functional.normalize(torch.randn(6, 5), dim=-1),
        product=torch.randn(6, 5) @ torch.randn(5, 4) * 0.1,
        einsum=torch.einsum("ij,jk->ik", torch.randn(6, 5), torch.eye(5)),
        triangle=torch.tril(torch.randn(6, 6), diagonal=-1),
        rolled=torch.roll(torch.randn(6, 5), 2, 0).flip(1),
        repeated=torch.randn(3, 1).expand(3, 4).clone(),
        interleaved=torch.randn(6, 2).repeat_interleave(2, dim=1),
        gathered=torch.randn(6, 5)[torch.tensor([5, 0, 0])],
        orthonormal=torch.linalg.qr(torch.randn(6, 4)).Q,
        padded=torch.nn.functional.pad(torch.randn(3, 3), (1, 2), value=0.5),
        chosen=torch.where(torch.rand(6, 5) < 0.1, torch.randn(6, 5), torch.zeros(6, 5)),
        summed=torch.randn(9, 5).cumsum(0).clamp_min(-1).lerp(torch.ones(9, 5), 0.25),
        stacked=torch.stack([torch.randn(3), torch.ones(3)], dim=1),
        split=torch.cat(torch.randn(6, 5).chunk(2, dim=0), dim=1),
        power=torch.randn(6, 5).abs().pow(0.5).sign() * torch.rand(5).sqrt(),
        signed=torch.sgn(torch.randn(6, 5)) * 0.3,
    )


@_case
def laws_of_functions() -> nn.Module:
    low, high = math.erf(-2 / math.sqrt(2)), math.erf(2 / math.sqrt(2))
    return with_parameters(
        exponential=torch.empty(30, 30).exponential_(2.0),
        log_normal=torch.empty(30, 30).log_normal_(0.1, 0.2),
        coin=torch.empty(30, 30).bernoulli_(0.3),
        coins=torch.bernoulli(torch.full((30, 30), 0.6)),
        sum_of_normals=torch.randn(30, 30) * 3 + torch.randn(30, 30) * 4,
        sum_of_uniforms=torch.rand(30, 30) + torch.rand(30, 30),
        square=torch.randn(30, 30) ** 2,
        same_twice=(lambda x: x + x)(torch.randn(30, 30)),
        nothing=torch.randn(30, 30) * 0,
        # As in older libraries: a truncated normal through the inverse cdf.
        truncated=torch.empty(30, 30)
        .uniform_(low, high)
        .erfinv_()
        .mul_(0.02 * math.sqrt(2))
        .add_(0.01)
        .clamp_(min=0.01 - 0.04, max=0.01 + 0.04),
        delta=torch.log(torch.expm1(torch.exp(torch.rand(64) * 4 - 6).clamp(min=1e-4))),
    )


@_case
def rounded() -> nn.Module:
    return with_parameters(
        whole=torch.round(torch.randn(6, 5)),
        tenths=torch.round(torch.randn(6, 5), decimals=1),
        hundreds=torch.round(torch.randn(6, 5) * 1000, decimals=-2),
    )


@_case
def beyond_what_a_dtype_holds() -> nn.Module:
    module = with_parameters(
        infinite=torch.full((3,), 1e5).half(),
        still=torch.full((3,), -1e5).half() * 0.1,
        product=torch.full((3,), 300.0).half() * 300,
        largest=torch.full((3,), 65519.0).half(),
    )
    module.register_buffer("wrapped", torch.full((5000,), 250, dtype=torch.uint8) + 10)
    module.register_buffer("either", torch.ones(5000, dtype=torch.bool) + True)
    return module


@_case
def known_masks() -> nn.Module:
    rows, columns, places, layers = (torch.randn(*n, 4, 5) for n in ((), (), (), (3,)))
    rows[torch.tensor([True, False, True, False])] = 0
    columns[:, torch.tensor([True, False, True, False, True])] = 2.0
    places[torch.eye(4, 5).bool()] = torch.randn(4)
    layers[torch.eye(3, 4).bool()] = torch.randn(5)
    untouched = torch.randn(4, 5)
    untouched[torch.zeros(4, dtype=torch.bool)] = 7.0
    return with_parameters(
        rows=rows, columns=columns, places=places, layers=layers, untouched=untouched
    )


@_case
def weight_norms_taken_off() -> nn.Module:
    layers = [nn.Conv1d(5, 4, 3), nn.ConvTranspose1d(5, 4, 3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for layer in layers:
            nn.utils.remove_weight_norm(nn.utils.weight_norm(layer))
        nn.utils.remove_weight_norm(nn.utils.weight_norm(layers[1], dim=1))
    return nn.ModuleList(layers)


@_case
def without_elements() -> nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        tail = nn.AdaptiveLogSoftmaxWithLoss(8, 10, [2, 5])  # with projections to no features
    return nn.ModuleList([tail, with_parameters(none=torch.empty(0, 4))])


@_case
def clamped_beyond_the_bounds() -> nn.Module:
    above, below = torch.empty(6, 5), torch.empty(6, 5)
    init.trunc_normal_(above, a=-1, b=1).clamp_(min=1.5)
    init.trunc_normal_(below, a=-1, b=1).clamp_(max=-1.5)
    return with_parameters(above=above, below=below)


@_case
def copied_onto_itself() -> nn.Module:
    """Where a tied head is initialized from the table that it is."""
    same, seen, part, other = (torch.randn(6, 5) for _ in range(4))
    same.copy_(same)
    seen.copy_(seen.view(30).view(6, 5))
    part[:3].copy_(part[3:])
    other.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]))
    return with_parameters(same=same, seen=seen, part=part, other=other)


@_case
def tied() -> nn.Module:
    module = nn.ModuleDict({"table": nn.Embedding(20, 8), "head": nn.Linear(8, 20, bias=False)})
    module["head"].weight = module["table"].weight
    module["again"] = module["head"]
    init.normal_(module["head"].weight, std=0.02)
    return module


@_case
def tied_in_memory() -> nn.Module:
    encoder = nn.Linear(8, 5, bias=False)
    decoder = nn.Linear(5, 8, bias=False)
    decoder.weight.data = encoder.weight.data.t()
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})


@_case
def deep_copies() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)
    module = nn.Module()
    module.encoder = nn.TransformerEncoder(layer, 3)
    module.norm = copy.deepcopy(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4)))
    return module


@_case
def whole_transformer() -> nn.Module:
    return nn.Transformer(16, 2, 2, 2, 24, batch_first=True)


@_case
def initialized_again() -> nn.Module:
    module = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20))
    module.apply(lambda m: init.xavier_uniform_(m.weight) if isinstance(m, nn.Linear) else None)
    module[0].reset_parameters()
    init.normal_(module[1].weight, 0, 0.3)
    return module


@_case
def weight_norms() -> nn.Module:
    module = nn.ModuleList([nn.Linear(8, 6), nn.Conv1d(4, 6, 3), nn.ConvTranspose1d(4, 6, 3)])
    for layer in module:
        parametrizations.weight_norm(layer)
        # Written into what is computed, to no effect.
        layer.weight.data.normal_(0, 0.01)
    return module


@_case
def orthogonal_weights() -> nn.Module:
    return nn.ModuleList(
        [
            parametrizations.orthogonal(nn.Linear(8, 6)),
            parametrizations.orthogonal(nn.Linear(6, 6)),
            parametrizations.orthogonal(nn.Linear(6, 8)),
        ]
    )


@_case
def orthogonal_already() -> nn.Module:
    layer = nn.Linear(6, 6)
    init.orthogonal_(layer.weight)
    return parametrizations.orthogonal(layer)


@_case
def spectral_norms() -> nn.Module:
    return nn.ModuleList(
        [
            parametrizations.spectral_norm(nn.Linear(8, 6)),
            parametrizations.spectral_norm(nn.ConvTranspose2d(4, 6, 3)),
        ]
    )


@_case
def own_parametrization() -> nn.Module:
    class Symmetric(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, x: torch.Tensor) -> torch.Tensor:
            return x.triu()

    layer = nn.Linear(6, 6)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    layer.weight = torch.full((6, 6), 0.5)
    return layer


@_case
def buffers() -> nn.Module:
    module = nn.Module()
    positions = torch.zeros(50, 16)
    steps = torch.arange(0, 50, dtype=torch.float).unsqueeze(1)
    rates = torch.exp(torch.arange(0, 16, 2).float() * (-math.log(10000.0) / 16))
    positions[:, 0::2] = torch.sin(steps * rates)
    positions[:, 1::2] = torch.cos(steps * rates)
    module.register_buffer("positions", positions.unsqueeze(0))
    module.register_buffer("mask", torch.tril(torch.ones(40, 40, dtype=torch.bool)))
    module.register_buffer("ids", torch.arange(50).expand((1, -1)), persistent=False)
    module.register_buffer("random", torch.randn(16, 8))
    module.register_buffer("large", torch.triu(torch.full((100, 100), -math.inf), diagonal=1))
    return module


@_case
def read_but_known() -> nn.Module:
    rates = [x.item() for x in torch.linspace(0, 0.1, 4)]
    module = nn.ModuleList([nn.Linear(4, 4) for rate in rates if rate < 0.09])
    offset = torch.tensor([1, 2, 3]).tolist()[1]
    if torch.equal(torch.ones(2), torch.ones(2)) and bool(torch.zeros(3).sum() == 0):
        module[0].weight.data.fill_(float(np.asarray(torch.ones(2).numpy()).sum()) + offset)
    return module


@_case
def narrow() -> nn.Module:
    module = nn.ModuleList([nn.Linear(30, 40, dtype=torch.bfloat16), nn.Linear(30, 40).half()])
    module.append(nn.Linear(30, 40).bfloat16().float())
    module.append(nn.Linear(30, 40).double())
    return module


@_case
def default_dtype() -> nn.Module:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return nn.Linear(30, 40)
    finally:
        torch.set_default_dtype(before)


@_case
def element_by_element() -> nn.Module:
    positions = torch.zeros(30, 10)
    for row in range(30):
        for column in range(10):
            positions[row, column] = math.sin(row / 10**column)
    mixed = positions.clone()
    for row in range(30):
        for column in range(10):
            mixed[row, column] += 1
    mixed[3] = torch.randn(10)
    return with_parameters(positions=positions, mixed=mixed)


@_case
def loaded() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = {name: torch.ones_like(value) for name, value in module.state_dict().items()}
    state["0.weight"] = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    module.load_state_dict(state)
    return module


@_case
def iterated() -> nn.Module:
    """Deep expressions, of one write after another."""
    weight = torch.zeros(1500, 3)
    for row in range(1500):
        weight[row] = torch.randn(3) * (row + 1)
    return with_parameters(weight=weight)
