"""The program behind ``porting_size``: prints a JSON object of what it saw."""

import json
import math
import re
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.sharding import PartitionSpec as P
from transformers import LlamaConfig, LlamaForCausalLM

import fanwise as fw
from benchmarks import machine
from parity.llama_linen import Llama

_COLLECTIVES = r"\b(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)\b"

# TinyLlama's: P. Zhang et al., TinyLlama: an open-source small language model, 2024.
BILLION = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
}


def _ported(config: LlamaConfig) -> tuple[fw.port.Recipe, fw.port.Correspondence, float]:
    start = time.perf_counter()
    recipe = fw.torch.record(lambda: LlamaForCausalLM(config))
    seconds = time.perf_counter() - start
    words = jax.ShapeDtypeStruct((1, 8), jnp.int32)
    layers = fw.linen.layers(Llama(config), words)
    return recipe, fw.port.match(recipe, layers), seconds


def _elements(recipe: fw.port.Recipe) -> int:
    each = (math.prod(r.shape) for r in recipe.tensors.values() if not r.is_buffer)
    return sum(each)


def _sharding(path: Any, shape: tuple[int, ...]) -> P:
    """Matrices by their outputs, as tensor parallelism has it; what is small everywhere."""
    return P(None, "model") if len(shape) == 2 else P()


def main(seed: int) -> dict[str, Any]:
    """Record and compile the large one, fill the smaller one."""
    recipe, correspondence, seconds = _ported(LlamaConfig())
    peak = machine.resident()[1]
    key = jax.random.key(seed)

    def init(key: Any) -> Any:
        return fw.port.init(recipe, correspondence, key, sharding=_sharding)

    compiled = jax.jit(init).lower(key).compile()
    memory: Any = compiled.memory_analysis()
    arrays = jax.tree.leaves(jax.eval_shape(init, key))
    found = {
        "elements": _elements(recipe),
        "seconds": seconds,
        "peak": peak,
        "all_bytes": sum(array.size * array.dtype.itemsize for array in arrays),
        "device_bytes": memory.output_size_in_bytes,
        "temporary": memory.temp_size_in_bytes,
        "collectives": sorted(set(re.findall(_COLLECTIVES, compiled.as_text()))),
    }
    return found | _filled(key)


def _filled(key: Any) -> dict[str, Any]:
    recipe, correspondence, _ = _ported(LlamaConfig(**BILLION))
    variables = fw.port.init(recipe, correspondence, key, sharding=_sharding)
    arrays = jax.tree.leaves(jax.block_until_ready(variables))
    total = sum(array.nbytes for array in arrays)
    held = [
        sum(array.addressable_shards[index].data.nbytes for array in arrays) / total
        for index in range(8)
    ]
    squares = [
        (float(np.mean(np.square(array, dtype=np.float64))), array.size)
        for array in map(np.asarray, arrays)
        if array.ndim == 2
    ]
    count = sum(size for _, size in squares)
    mean_square = sum(square * size for square, size in squares) / count
    std = recipe["lm_head.weight"].value.std
    one = fw.port.Correspondence((correspondence["model.layers.3.mlp.up_proj"],))
    (alone,) = jax.tree.leaves(fw.port.init(recipe, one, key))
    sharded = variables["params"]["model_layers_3"]["mlp"]["up_proj"]["kernel"]
    return {
        "filled": sum(array.size for array in arrays),
        "shares": held,
        "off": math.sqrt(mean_square) / std - 1,
        "is_equal": np.asarray(alone).tobytes() == np.asarray(sharded).tobytes(),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    with jax.set_mesh(jax.make_mesh((8,), ("model",))):
        print(json.dumps(main(int(sys.argv[1]))))
