"""Files of weights: what is in them, and what is refused."""

import json
import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from fanwise.porting.read import opened

TENSORS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.array([1.5, -0.0], ml_dtypes.bfloat16),
    "b": np.array(7, np.int64),
    "half": np.ones((2, 0), np.float16),
}


def same(source, tensors=TENSORS):
    assert set(source.listed()) == set(tensors)
    for name, array in tensors.items():
        stored = source.listed()[name]
        assert (stored.shape, stored.dtype) == (array.shape, array.dtype.name)
        read = source.read(name)
        assert (read.shape, read.dtype) == (array.shape, array.dtype)
        assert read.tobytes() == array.tobytes()


def sharded(folder, name="model.safetensors.index.json"):
    """TENSORS in two files with an index."""
    first = {name: TENSORS[name] for name in ("a.weight", "half")}
    files = {"model-1-of-2.safetensors": first}
    files["model-2-of-2.safetensors"] = {n: a for n, a in TENSORS.items() if n not in first}
    for file, tensors in files.items():
        save_file(tensors, folder / file)
    weight_map = {name: file for file, tensors in files.items() for name in tensors}
    (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder / name


def test_a_mapping():
    same(opened(TENSORS))


def test_safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    same(opened(tmp_path / "model.safetensors"))
    same(opened(str(tmp_path / "model.safetensors")))
    same(opened(tmp_path))


def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    import safetensors

    asked = []

    class Watched:
        def __init__(self, *args, **options):
            self.file = safe_open(*args, **options)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def get_tensor(self, name):
            asked.append(name)
            return self.file.get_tensor(name)

    safe_open = safetensors.safe_open
    monkeypatch.setattr(safetensors, "safe_open", Watched)
    save_file(TENSORS, tmp_path / "model.safetensors")
    source = opened(tmp_path / "model.safetensors")
    source.listed()
    assert asked == []
    source.read("b")
    assert asked == ["b"]


def test_shards(tmp_path):
    same(opened(sharded(tmp_path)))
    same(opened(tmp_path))


def test_a_shard_that_is_not_there(tmp_path):
    index = sharded(tmp_path)
    (tmp_path / "model-2-of-2.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"not there: model-2-of-2.safetensors"):
        opened(index)


def test_a_tensor_that_is_not_in_its_shard(tmp_path):
    index = sharded(tmp_path)
    content = json.loads(index.read_text())
    content["weight_map"]["b"] = "model-1-of-2.safetensors"
    content["weight_map"]["c"] = "model-1-of-2.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"not there: b in model-1-of-2.safetensors, c in"):
        opened(index)


def test_a_tensor_that_the_index_forgets_is_listed(tmp_path):
    index = sharded(tmp_path)
    content = json.loads(index.read_text())
    del content["weight_map"]["b"]
    index.write_text(json.dumps(content))
    same(opened(index))


@pytest.mark.parametrize("name", ["../model-1-of-2.safetensors", "/etc/passwd", "..", ""])
def test_an_index_names_files_beside_itself_only(name, tmp_path):
    index = sharded(tmp_path)
    content = json.loads(index.read_text())
    content["weight_map"]["b"] = name
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="outside of its folder"):
        opened(index)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "nonsense", '{"weight_map": 3}', '{"weight_map": {"a": 1}}']
)
def test_an_index_that_is_none(text, tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text)
    with pytest.raises(ValueError, match="is no index of shards"):
        opened(index)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        opened(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"nonsense that is long enough for a header")
    with pytest.raises(ValueError, match="is no file of safetensors"):
        opened(tmp_path / "model.safetensors")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"must be a file that ends in \.safetensors"):
        opened(tmp_path / "model.onnx")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match="has no file of weights"):
        opened(empty)


def test_a_folder_with_several(tmp_path):
    for name in ("one", "two"):
        save_file(TENSORS, tmp_path / f"{name}.safetensors")
    with pytest.raises(ValueError, match=r"several files of weights: one.safetensors, two"):
        opened(tmp_path)


def test_what_is_no_state_dict():
    with pytest.raises(TypeError, match=r"must be a mapping from names to tensors, .* got list"):
        opened([1, 2])
    with pytest.raises(TypeError, match=r"tensors only, and 'epoch' is none$"):
        opened({**TENSORS, "epoch": 3})
    checkpoint = {"epoch": 3, "model": TENSORS, "optimizer": {"lr": 0.1}}
    with pytest.raises(TypeError, match=r"under a name: pass its \['model'\]$"):
        opened(checkpoint)


def test_a_dtype_that_numpy_has_not(tmp_path):
    header = {"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"\x00\x01")
    source = opened(file)
    assert source.listed()["w"].dtype == "float8_e4m3fn"
    with pytest.raises(ValueError, match="load it in torch and pass the state dict"):
        source.read("w")


def test_without_the_packages_that_are_needed(tmp_path, monkeypatch):
    save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "model.pt").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"needs safetensors, .*'fanwise\[port\]'"):
        opened(tmp_path / "model.safetensors")
    with pytest.raises(ImportError, match=r"needs torch, .*'fanwise\[torch\]'"):
        opened(tmp_path / "model.pt")
    same(opened(TENSORS))
