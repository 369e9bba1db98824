"""torch's weights from wherever they are: a live state dict, safetensors, a ``.pt``.

Of a file nothing is read but what it lists, until a tensor is asked for. Nothing is unpickled but
what ``torch.load(weights_only=True)`` allows.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fanwise.porting.read_files import Safetensors, pickled
from fanwise.porting.read_live import Array, Live, Source, Stored

__all__ = ["Source", "Stored", "opened"]

_INDEX = ".index.json"

# Where a folder has several of these, the first counts.
_IN_FOLDER = (
    "*.safetensors" + _INDEX,
    "*.safetensors",
    "*.bin" + _INDEX,
    "*.bin",
    "*.pt",
    "*.pth",
)

_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".tar")


def opened(source: Any) -> Source:
    """Tensors from a state dict, a module, a file or a folder.

    Raises:
        TypeError: if it is none of these, or if a value is no tensor.
        FileNotFoundError: if there is no such file, or a shard is missing.
        ValueError: if it is a file of no known kind, or a pickle of more than tensors.
    """
    if hasattr(source, "state_dict") and callable(source.state_dict):
        source = source.state_dict()
    if isinstance(source, Mapping):
        return Live(source)
    if not isinstance(source, str | Path):
        raise TypeError(
            f"state_dict must be a mapping from names to tensors, a torch module, or the path of "
            f"a .safetensors, .safetensors.index.json or .pt file, got {type(source).__name__}"
        )
    return _of_path(Path(source).expanduser())


def _of_path(path: Path) -> Source:
    if path.is_dir():
        return _of_path(_in_folder(path))
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.name.endswith(_INDEX):
        return _sharded(path)
    if path.suffix == ".safetensors":
        return Safetensors(path)
    if path.suffix in _PICKLED:
        return pickled(path)
    raise ValueError(
        f"state_dict must be a file that ends in .safetensors, {_INDEX}, "
        f"{', '.join(_PICKLED)}, got {path}"
    )


def _in_folder(folder: Path) -> Path:
    for pattern in _IN_FOLDER:
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(each.name for each in found)
            raise ValueError(f"{folder} has several files of weights: {names}; pass one of them")
    raise FileNotFoundError(f"{folder} has no file of weights ({', '.join(_IN_FOLDER)})")


class _Many:
    """Several files as one."""

    def __init__(self, files: Mapping[str, Source]) -> None:
        self._files = files

    def listed(self) -> Mapping[str, Stored]:
        seen: dict[int, Mapping[str, Stored]] = {}
        for file in self._files.values():
            seen.setdefault(id(file), file.listed())
        return {name: seen[id(file)][name] for name, file in self._files.items()}

    def read(self, name: str) -> Array:
        return self._files[name].read(name)


def _sharded(index: Path) -> Source:
    """The files that an index names."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        weight_map: dict[str, str] = dict(content["weight_map"])
        if not all(isinstance(name, str) for name in weight_map.values()):
            raise TypeError("names of files must be texts")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{index} is no index of shards: it has no 'weight_map'") from error
    names = sorted(set(weight_map.values()))
    # An index is somebody else's: it may name files beside itself and no others.
    strange = [name for name in names if name != Path(name).name or name in ("", ".", "..")]
    if strange:
        raise ValueError(f"{index} names files outside of its folder: {', '.join(strange)}")
    absent = [name for name in names if not (index.parent / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{index} names shards that are not there: {', '.join(absent)}")
    files = {name: _of_path(index.parent / name) for name in names}
    listed = {name: file.listed() for name, file in files.items()}
    lost = [f"{name} in {file}" for name, file in weight_map.items() if name not in listed[file]]
    if lost:
        raise ValueError(f"{index} names tensors that are not there: {', '.join(lost)}")
    # What a shard has beside what the index says counts too, as a name that was not expected.
    every = {name: file for file, own in listed.items() for name in own} | weight_map
    return _Many({name: files[file] for name, file in every.items()})
