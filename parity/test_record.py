"""How recording behaves: what it refuses, what it restores, what it says."""

import copy
import math
import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import torch
from torch import nn

import fanwise as fw
from fanwise.distributions import Constant, Normal, Uniform
from fanwise.frameworks.torch_record_functions import _FUNCTIONS
from fanwise.recording import Draw, Expression, Recipe
from parity.record_cases import CASES

KEY = jax.random.key(0)


def _is_uniform(law: object, bound: float) -> bool:
    """torch computes its bounds by way of a gain and a std."""
    return (
        isinstance(law, Uniform)
        and law.low == -law.high
        and math.isclose(law.high, bound, rel_tol=1e-12)
    )


def _state() -> dict[str, Any]:
    """Whatever of torch, numpy and Python a recording touches."""
    from torch._subclasses.fake_tensor import FakeTensor

    return {
        "torch": torch.random.get_rng_state().tolist(),
        "numpy": repr(np.random.get_state()),  # noqa: NPY002
        "random": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "codes": [function.__code__ for function, _ in _FUNCTIONS.values()],
        "swap": torch.utils.swap_tensors.__code__,
        "fake": {
            name: vars(FakeTensor).get(name)
            for name in ("numpy", "__array__", "__dlpack__", "data_ptr")
        },
        "dispatch": vars(FakeTensor)["__torch_dispatch__"],
        "urandom": (os.urandom, random._urandom),
        "modes": torch.utils._python_dispatch._get_current_dispatch_mode(),
        "methods": {name: vars(torch.Tensor).get(name) for name in ("normal_", "apply_", "map_")},
    }


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = _state()
    yield
    assert _state() == before


def _disturbing() -> nn.Module:
    torch.manual_seed(3)
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return nn.Linear(2, 2)


def test_everything_is_left_as_it_was() -> None:
    recipe = fw.torch.record(_disturbing)
    assert recipe["weight"].dtype == "float64"
    assert "seeds" in " ".join(recipe.notes)


def test_everything_is_left_as_it_was_after_an_exception() -> None:
    def failing() -> nn.Module:
        _disturbing()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fw.torch.record(failing)
    fw.torch.record(lambda: nn.Linear(2, 2))


def test_the_check_of_what_is_left_can_fail() -> None:
    before = _state()
    state = torch.random.get_rng_state()
    torch.rand(1)
    assert _state() != before
    torch.random.set_rng_state(state)


def test_real_tensors_from_outside_are_not_changed() -> None:
    outside = torch.ones(3)

    def factory() -> nn.Module:
        module = nn.Module()
        module.weight = nn.Parameter(outside.normal_())
        return module

    assert fw.torch.record(factory)["weight"].value == Normal(0, 1)
    assert outside.tolist() == [1, 1, 1]


def test_nested_use_is_refused() -> None:
    def outer() -> nn.Module:
        fw.torch.record(lambda: nn.Linear(2, 2))
        return nn.Linear(2, 2)

    with pytest.raises(RuntimeError, match="already"):
        fw.torch.record(outer)


def _in_thread(function: Callable[[], Any]) -> Any:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_two_threads_at_once_are_refused() -> None:
    found = []

    def factory() -> nn.Module:
        found.append(_in_thread(lambda: fw.torch.record(lambda: nn.Linear(2, 2))))
        return nn.Linear(2, 2)

    fw.torch.record(factory)
    assert isinstance(found[0], RuntimeError)
    assert "already" in str(found[0])


def test_another_thread_goes_on_as_ever() -> None:
    theirs: list[torch.Tensor] = []

    def draws() -> torch.Tensor:
        return nn.init.orthogonal_(torch.empty(4, 4))

    def factory() -> nn.Module:
        theirs.append(_in_thread(draws))
        return nn.Linear(2, 2)

    state = torch.random.get_rng_state()
    recipe = fw.torch.record(factory)
    torch.random.set_rng_state(state)
    assert _is_uniform(recipe["weight"].value, 0.5**0.5)
    assert type(theirs[0]) is torch.Tensor
    assert torch.allclose(theirs[0] @ theirs[0].T, torch.eye(4), atol=1e-5)


@pytest.mark.parametrize("is_raised", [True, False])
def test_initializing_in_another_thread_is_refused(is_raised: bool) -> None:
    """Whether or not anybody hears of what that thread has raised."""

    def factory() -> nn.Module:
        module = nn.Linear(2, 2)
        error = _in_thread(lambda: nn.init.normal_(module.weight, 0, 5))
        if is_raised and isinstance(error, Exception):
            raise error
        return module

    with pytest.raises(ValueError, match=r"normal_ on its tensors in another thread"):
        fw.torch.record(factory)


def test_drawing_in_another_thread_is_refused() -> None:
    def factory() -> nn.Module:
        module = nn.Module()
        module.fine = nn.Linear(2, 2)
        module.made = _in_thread(lambda: nn.Linear(2, 2))
        return module

    with pytest.raises(ValueError, match=r"made\.weight and 1 more.* another thread"):
        fw.torch.record(factory)


def test_a_module_made_before_is_refused() -> None:
    with torch.random.fork_rng(devices=[]):
        made = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    with pytest.raises(ValueError, match=r"made before .*0\.weight, 0\.bias hold"):
        fw.torch.record(lambda: made)

    def initialized_again() -> nn.Module:
        nn.init.normal_(made[0].weight)
        nn.init.zeros_(made[0].bias)
        return made

    assert fw.torch.record(initialized_again)["0.weight"].value == Normal(0, 1)


def test_a_copy_of_a_module_made_before_is_noted() -> None:
    with torch.random.fork_rng(devices=[]):
        made = nn.Linear(2, 2)
    recipe = fw.torch.record(lambda: nn.Sequential(nn.Linear(2, 2), copy.deepcopy(made)))
    assert len(recipe.notes) == 1
    assert recipe.notes[0].endswith(": 1.weight, 1.bias")


def test_made_on_the_meta_device_and_emptied() -> None:
    def factory() -> nn.Module:
        with torch.device("meta"):
            module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        module.to_empty(device="cpu")
        for child in module:
            child.reset_parameters()
        return module

    recipe = fw.torch.record(factory)
    assert _is_uniform(recipe["0.weight"].value, 0.5)
    assert recipe["1.running_var"].value == Constant(1)
    with pytest.raises(ValueError, match=r"from the meta device .*without torch.device\('meta'\)"):
        fw.torch.record(factory, real_limit=10)


@pytest.mark.parametrize("factory", [nn.Linear(2, 2), 3, "Linear"])
def test_a_factory_is_a_function(factory: Any) -> None:
    with pytest.raises(TypeError, match=r"factory must be a function .* got"):
        fw.torch.record(factory)


def test_a_factory_returns_a_module() -> None:
    with pytest.raises(TypeError, match=r"return a torch.nn.Module, got FakeTensor"):
        fw.torch.record(lambda: torch.ones(3))  # type: ignore[arg-type,return-value]


def test_a_class_is_a_factory() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

    assert [*fw.torch.record(Model).tensors] == ["fc.weight", "fc.bias"]


def test_code_that_reads_a_large_model_is_refused() -> None:
    def factory() -> nn.Module:
        module = nn.Linear(1000, 1000)
        assert not module.weight.isnan().any()
        return module

    assert fw.torch.record(factory).notes
    with pytest.raises(ValueError, match=r"real_limit=1000 .*pass a larger real_limit"):
        fw.torch.record(factory, real_limit=1000)


def test_a_value_that_is_read_and_caught_is_not_guessed() -> None:
    def factory() -> nn.Module:
        module = nn.Linear(4, 4)
        try:
            scale = module.weight.norm().item()
        except RuntimeError:
            scale = 1.0
        module.weight.data.mul_(scale)
        return module

    with pytest.raises(ValueError, match="weight"):
        fw.torch.record(factory)


def test_what_numpy_writes_is_not_missed() -> None:
    def factory() -> nn.Module:
        module = nn.Linear(4, 4)
        module.weight.detach().numpy()[0] = 7
        return module

    with pytest.raises(ValueError, match=r"numpy.*weight"):
        fw.torch.record(factory)


def test_what_comes_through_dlpack_is_not_missed() -> None:
    def factory() -> nn.Module:
        module = nn.Linear(4, 4)
        np.from_dlpack(module.weight.detach()).flags.writeable  # noqa: B018 - it has memory
        torch.from_dlpack(module.weight.detach().__dlpack__())[0] = 7
        return module

    with pytest.raises(ValueError, match=r"numpy.*weight"):
        fw.torch.record(factory)


def test_addresses_tell_tensors_apart() -> None:
    def factory() -> nn.Module:
        module = nn.ModuleDict({name: nn.Linear(4, 4) for name in "abc"})
        module["b"].weight = module["a"].weight
        places = {layer.weight.data_ptr(): layer for layer in module.values()}
        for scale, layer in enumerate(places.values(), 2):
            nn.init.constant_(layer.weight, scale)
        return module

    recipe = fw.torch.record(factory)
    assert [recipe[f"{name}.weight"].value for name in "abc"] == [*map(Constant, (2, 2, 3))]


def test_functions_of_python_on_each_element() -> None:
    def factory(weight: torch.Tensor) -> nn.Module:
        module = nn.Module()
        module.weight = nn.Parameter(weight)
        return module

    def known() -> nn.Module:
        third = torch.arange(3.0).map2_(torch.ones(3), torch.ones(3), lambda x, y, z: x + y + z)
        return factory(torch.zeros(3).apply_(lambda x: x + 2).map_(third, lambda x, y: x * y))

    assert fw.torch.record(known).draw("weight", KEY).tolist() == [4, 6, 8]
    with pytest.raises(ValueError, match=r"parameter weight: Tensor.apply_"):
        fw.torch.record(lambda: factory(torch.randn(3).apply_(lambda x: x * 2)))

    def reading() -> nn.Module:
        weight = torch.empty(3).exponential_()
        assert weight.isfinite().all()
        return factory(weight.map_(torch.ones(3), lambda x, y: x + y))

    with pytest.raises(ValueError, match=r"parameter weight: Tensor.map_"):
        fw.torch.record(reading)


def test_seeds() -> None:
    def seeded(*seeds: int) -> Callable[[], nn.Module]:
        def factory() -> nn.Module:
            layers = []
            for seed in seeds:
                torch.manual_seed(seed)
                layers.append(nn.Linear(3, 3))
            return nn.ModuleList(layers)

        return factory

    assert "seeds" in fw.torch.record(seeded(1, 2)).notes[0]
    with pytest.raises(ValueError, match="more than once from the seed 1"):
        fw.torch.record(seeded(1, 2, 1))


def test_generators_of_equal_seeds() -> None:
    def factory() -> nn.Module:
        layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
        for layer in layers:
            nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(7))
        return nn.ModuleList(layers)

    with pytest.raises(ValueError, match="more than once from the seed 7"):
        fw.torch.record(factory)


def _by_a_seed() -> None:
    torch.default_generator.manual_seed(0)


def _by_a_state() -> None:
    torch.set_rng_state(torch.Generator().manual_seed(0).get_state())


def _by_the_state_of_a_generator() -> None:
    torch.default_generator.set_state(torch.Generator().manual_seed(0).get_state())


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("back", [_by_a_seed, _by_a_state, _by_the_state_of_a_generator])
def test_a_generator_that_is_set_back(back: Callable[[], None], reads: bool) -> None:
    def factory() -> nn.Module:
        back()
        first = nn.Linear(3, 3)
        if reads:
            assert first.weight.isfinite().all()
        back()
        return nn.ModuleList([first, nn.Linear(3, 3)])

    with pytest.raises(ValueError, match="more than once from the seed 0"):
        fw.torch.record(factory)


def test_a_generator_that_is_forked() -> None:
    def factory(*, is_seeded: bool) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            if is_seeded:
                torch.manual_seed(5)
            first = nn.Linear(3, 3)
        return nn.ModuleList([first, nn.Linear(3, 3)])

    with pytest.raises(ValueError, match="fork_rng"):
        fw.torch.record(lambda: factory(is_seeded=False))
    assert _is_uniform(fw.torch.record(lambda: factory(is_seeded=True))["1.bias"].value, 3**-0.5)


def test_a_generator_of_ones_own_that_is_seeded_again() -> None:
    def factory() -> nn.Module:
        layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
        generator = torch.Generator()
        for layer in layers:
            nn.init.trunc_normal_(layer.weight, generator=generator.manual_seed(7))
        return nn.ModuleList(layers)

    with pytest.raises(ValueError, match="more than once from the seed 7"):
        fw.torch.record(factory)


@pytest.mark.parametrize("reads", [False, True])
def test_what_draws_nothing_repeats_nothing(reads: bool) -> None:
    def factory() -> nn.Module:
        torch.randn(0)
        nn.functional.dropout(torch.ones(3), 0.0)
        module = nn.Linear(3, 3)
        assert not reads or module.weight.isfinite().all()
        return module

    assert _is_uniform(fw.torch.record(factory)["weight"].value, 3**-0.5)


def test_a_generator_from_outside_stays_where_it_is() -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()

    def factory() -> nn.Module:
        module = nn.Linear(3, 3)
        nn.init.normal_(module.weight, generator=generator)
        return module

    fw.torch.record(factory)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("asked", [lambda: os.urandom(8)[0], random.SystemRandom().random])
def test_random_numbers_of_the_operating_system(asked: Callable[[], float]) -> None:
    def factory(*, is_used: bool) -> nn.Module:
        module = nn.Linear(4, 2)
        numbers = [asked() for _ in range(8)]
        nn.init.constant_(module.bias, sum(numbers) if is_used else 0.5)
        return module

    with pytest.raises(ValueError, match="bias"):
        fw.torch.record(lambda: factory(is_used=True))
    assert fw.torch.record(lambda: factory(is_used=False))["bias"].value == Constant(0.5)


def test_numpy_that_makes_no_difference() -> None:
    def factory() -> nn.Module:
        np.random.rand(3)  # noqa: NPY002
        random.random()
        return nn.Linear(4, 2)

    assert fw.torch.record(factory)["bias"].value == Uniform(-0.5, 0.5)


def test_python_numbers_that_are_random() -> None:
    def factory() -> nn.Module:
        module = nn.Linear(4, 2)
        nn.init.constant_(module.bias, random.random())
        return module

    with pytest.raises(ValueError, match=r"bias.*Python's random"):
        fw.torch.record(factory)


def test_copies_share_their_draws() -> None:
    recipe = fw.torch.record(CASES["deep_copies"])
    first, last = (f"encoder.layers.{n}.linear1.weight" for n in (0, 2))
    assert isinstance(recipe[first].value, Draw)
    assert recipe[first].value == recipe[last].value
    assert str(recipe[last].value).endswith(f" as {first}")
    assert np.array_equal(recipe.draw(first, KEY), recipe.draw(last, KEY))
    other = recipe.draw("encoder.layers.0.linear2.weight", KEY)
    assert not np.array_equal(other.reshape(-1)[:9], recipe.draw(first, KEY).reshape(-1)[:9])
    assert _is_uniform(recipe[first].law, 16**-0.5)
    assert recipe[last].law == recipe[first].law


def test_ties() -> None:
    recipe = fw.torch.record(CASES["tied"])
    assert recipe.ties == {"head.weight": "table.weight", "again.weight": "table.weight"}
    assert recipe.distributions() == dict.fromkeys(
        ("table.weight", "head.weight", "again.weight"), Normal(0, 0.02)
    )
    assert np.array_equal(recipe.draw("again.weight", KEY), recipe.draw("table.weight", KEY))


def test_rows_and_slices() -> None:
    recipe = fw.torch.record(CASES["padding_row"])
    value = recipe["0.weight"].value
    assert isinstance(value, Expression)
    assert str(value) == "Normal(0, 1), row 3 = 0"
    drawn = np.asarray(recipe.draw("0.weight", KEY))
    assert (drawn[3] == 0).all()
    assert (np.delete(drawn, 3, 0) != 0).all()


def test_written_through_a_parametrization_to_no_effect() -> None:
    recipe = fw.torch.record(CASES["weight_norms"])
    assert _is_uniform(recipe["0.parametrizations.weight.original1"].law, 8**-0.5)


def test_buffers() -> None:
    recipe = fw.torch.record(CASES["buffers"])
    kinds = {name: (each.is_buffer, each.is_persistent) for name, each in recipe.tensors.items()}
    assert kinds["ids"] == (True, False)
    assert kinds["mask"] == (True, True)
    assert recipe.draw("mask", KEY).dtype == bool
    assert recipe.draw("ids", KEY).tolist() == [list(range(50))]


def test_integers_that_jax_does_not_hold() -> None:
    def factory() -> nn.Module:
        module = nn.Module()
        module.register_buffer("far", torch.tensor([1, 2**40]))
        module.register_buffer("same", torch.full((3,), 2**40))
        return module

    recipe = fw.torch.record(factory)
    for name in ("far", "same"):
        with pytest.raises((ValueError, OverflowError), match=r"1099511627776"):
            recipe.draw(name, KEY)


def test_older_weight_norm() -> None:
    def factory() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return nn.utils.weight_norm(nn.Linear(5, 4))

    recipe = fw.torch.record(factory)
    assert [*recipe.tensors] == ["bias", "weight_g", "weight_v"]
    norm = np.linalg.norm(recipe.draw("weight_v", KEY), axis=1, keepdims=True)
    assert np.allclose(recipe.draw("weight_g", KEY), norm)


def test_meta_tensors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"parameter weight: .*meta device"):
        fw.torch.record(lambda: nn.Linear(2, 2, device="meta"))


@pytest.mark.parametrize("name", CASES)
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    recipe = fw.torch.record(CASES[name])
    recipe.save(tmp_path / "recipe.json")
    loaded = Recipe.load(tmp_path / "recipe.json")
    assert loaded == recipe
    assert str(loaded) == str(recipe)


def test_constants_are_the_numbers_that_were_written() -> None:
    recipe = fw.torch.record(CASES["made_from_values"])
    assert recipe["temperature"].value == Constant(2.6592)
    assert recipe["scale"].value == Constant(1e-5)
