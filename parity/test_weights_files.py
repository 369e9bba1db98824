"""Files that torch writes: what is read of them, and that no code in them is run."""

import json
import pickle
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from flax import linen
from safetensors.torch import save_file, save_model

import fanwise as fw
from fanwise.porting.read import opened


class Net(torch.nn.Module):
    """Three kinds of layers, and a tied head."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(11, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.fc = torch.nn.Linear(4, 4)
        self.head = torch.nn.Linear(4, 11, bias=False)
        self.head.weight = self.embed.weight


class Port(linen.Module):
    """Its port."""

    @linen.compact
    def __call__(self, words):
        embed = linen.Embed(11, 4, name="embed")
        x = embed(words).mean(1)
        x = linen.BatchNorm(use_running_average=True, epsilon=1e-5, name="norm")(x)
        return embed.attend(linen.Dense(4, name="fc")(x))


WORDS = jnp.zeros((2, 3), jnp.int32)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def found(net):
    return fw.port.match(net, fw.linen.layers(Port(), WORDS))


def same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def saved(net, folder: Path) -> dict[str, Path]:
    """The same weights in every way that people save them."""
    state = net.state_dict()
    paths = {name: folder / name for name in ("new.pt", "old.bin", "deduplicated.safetensors")}
    torch.save(state, paths["new.pt"])
    torch.save(state, paths["old.bin"], _use_new_zipfile_serialization=False)
    save_model(net, str(paths["deduplicated.safetensors"]))
    shards = folder / "shards"
    shards.mkdir()
    cloned = {name: tensor.clone() for name, tensor in state.items()}
    weight_map = {}
    for number, names in enumerate((list(cloned)[:2], list(cloned)[2:])):
        file = f"model-{number}.safetensors"
        save_file({name: cloned[name] for name in names}, shards / file)
        weight_map |= dict.fromkeys(names, file)
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    pickles = folder / "pickles"
    pickles.mkdir()
    for number, names in enumerate((list(cloned)[:2], list(cloned)[2:])):
        torch.save({name: cloned[name] for name in names}, pickles / f"part-{number}.bin")
    parts = {n: f"part-{int(weight_map[n][6])}.bin" for n in weight_map}
    (pickles / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": parts}))
    return {**paths, "shards": shards, "pickles": pickles}


def test_every_kind_of_file_gives_the_same(net, found, tmp_path):
    expected = fw.port.weights(net.state_dict(), found)
    same(fw.port.weights(net, found), expected)
    files = saved(net, tmp_path)
    assert len(files) == 5
    for path in files.values():
        same(fw.port.weights(path, found), expected)
    # Another model's are not the same.
    with torch.no_grad():
        net.fc.bias[0] += 1
    with pytest.raises(AssertionError):
        same(fw.port.weights(net, found), expected)


def test_a_pt_file_is_mapped_and_not_read(net, tmp_path, monkeypatch):
    calls = []
    load = torch.load

    def watched(*args, **options):
        calls.append(options)
        return load(*args, **options)

    monkeypatch.setattr(torch, "load", watched)
    opened(saved(net, tmp_path)["new.pt"])
    assert calls == [{"map_location": "cpu", "weights_only": True, "mmap": True}]
    assert all(call["weights_only"] for call in calls)


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_file_is_not_run(is_zip, tmp_path):
    mark, file = tmp_path / "it ran", tmp_path / "model.pt"
    torch.save(
        {"weight": torch.ones(2), "bomb": Bomb(mark)}, file, _use_new_zipfile_serialization=is_zip
    )
    with pytest.raises(ValueError, match="holds more than tensors, and is not unpickled"):
        opened(file)
    assert not mark.exists()
    # It would have.
    torch.load(file, weights_only=False)
    assert mark.exists()


def test_a_whole_module_is_refused(net, tmp_path):
    torch.save(net, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="holds more than tensors"):
        opened(tmp_path / "model.pt")


def test_a_plain_pickle_and_nonsense_are_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"weight": np.ones(2)}))
    with pytest.raises(ValueError, match=r"is not unpickled|cannot be read"):
        opened(tmp_path / "model.pt")
    noise = [np.random.default_rng(number).bytes(100) for number in range(5)]
    for content in (b"", b"nonsense", b"junk", b"hello world\n", b"\x80", b"PK\x03\x04 no", *noise):
        (tmp_path / "model.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot be read by torch\.load: .*; it must be"):
            opened(tmp_path / "model.pt")
    torch.save({"weight": torch.ones(2000)}, tmp_path / "whole.pt")
    (tmp_path / "model.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"cannot be read by torch\.load"):
        opened(tmp_path / "model.pt")


def test_a_checkpoint_of_a_training_run(net, found, tmp_path):
    torch.save({"epoch": 3, "model": net.state_dict()}, tmp_path / "run.pt")
    with pytest.raises(TypeError, match=r"under a name: pass its \['model'\]"):
        fw.port.weights(tmp_path / "run.pt", found)
    torch.save([net.state_dict()], tmp_path / "list.pt")
    with pytest.raises(TypeError, match="must hold a state dict, and holds a list"):
        fw.port.weights(tmp_path / "list.pt", found)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
def test_low_precision_keeps_its_bits(dtype, net, found):
    theirs = getattr(torch, dtype)
    net = net.to(torch.float32)
    state = {n: t.to(theirs) if t.is_floating_point() else t for n, t in net.state_dict().items()}
    kernel = fw.port.weights(state, found, dtype="keep")["params"]["fc"]["kernel"]
    assert kernel.dtype == jnp.dtype(dtype)
    bits = state["fc.weight"].view(torch.uint8).numpy()
    moved = bits.reshape(4, 4, -1).transpose(1, 0, 2).reshape(-1)
    assert np.asarray(kernel).tobytes() == moved.tobytes()
    back = fw.port.state_dict(fw.port.weights(state, found, dtype="keep"), found)
    assert back["fc.weight"].tobytes() == bits.tobytes()


def test_bfloat16_in_a_file(net, found, tmp_path):
    net = net.to(torch.bfloat16)
    save_model(net, str(tmp_path / "model.safetensors"))
    torch.save(net.state_dict(), tmp_path / "model.pt")
    expected = fw.port.weights(net, found, dtype="keep")
    assert {leaf.dtype for leaf in jax.tree.leaves(expected)} == {jnp.dtype(jnp.bfloat16)}
    for name in ("model.safetensors", "model.pt"):
        same(fw.port.weights(tmp_path / name, found, dtype="keep"), expected)
    state = fw.port.state_dict(expected, found)
    assert state["fc.weight"].dtype == ml_dtypes.bfloat16
    # As the documentation says that torch takes it.
    tensor = torch.from_numpy(state["fc.weight"].view("uint16")).view(torch.bfloat16)
    assert torch.equal(tensor, net.fc.weight)


def test_what_is_no_plain_tensor_in_memory(found, net):
    state = net.state_dict()
    strange = {
        "meta": state["fc.weight"].to("meta"),
        "sparse": state["fc.weight"].to_sparse(),
    }
    for tensor in strange.values():
        with pytest.raises(ValueError, match=r"fc.weight (has no values|is quantized or sparse)"):
            fw.port.weights({**state, "fc.weight": tensor}, found)
    # Views of every kind are plain.
    same(
        fw.port.weights({**state, "fc.weight": state["fc.weight"].T.contiguous().T}, found),
        fw.port.weights(state, found),
    )


def test_nothing_shares_memory_with_the_live_model(net, found):
    variables = fw.port.weights(net.state_dict(), found)
    before = jax.tree.map(np.array, variables)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.zero_()
    same(jax.tree.map(np.asarray, variables), before)
    net.load_state_dict(
        {n: torch.from_numpy(a) for n, a in fw.port.state_dict(variables, found).items()}
    )
    with torch.no_grad():
        net.fc.weight.zero_()
    same(jax.tree.map(np.asarray, variables), before)


def test_a_loaded_model_is_tied_as_before(net, found):
    start = Port().init(jax.random.key(0), WORDS)
    state = fw.port.state_dict(start, found)
    assert set(state) == set(net.state_dict())
    net.load_state_dict({n: torch.from_numpy(a) for n, a in state.items()}, strict=True)
    assert net.head.weight is net.embed.weight
    np.testing.assert_array_equal(net.head.weight.detach(), start["params"]["embed"]["embedding"])
