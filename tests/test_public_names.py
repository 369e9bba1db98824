"""The public names, their signatures, and that each one is documented."""

import inspect

import jax
import pytest

import fanwise as fw
from fanwise import distributions

NAMES = {
    "Distribution",
    "Fans",
    "Initializer",
    "Layer",
    "bias_uniform",
    "by_kind",
    "by_path",
    "calculate_gain",
    "chain",
    "constant",
    "delta_orthogonal",
    "dirac",
    "distributions",
    "equinox",
    "eye",
    "fans",
    "gain_of",
    "haiku",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "linen",
    "nnx",
    "normal",
    "ones",
    "orthogonal",
    "port",
    "recipes",
    "signal",
    "sparse",
    "torch",
    "torch_default",
    "trunc_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
}

# Looked at in parity/, where torch is.
NEED_TORCH = {"torch"}

PORT = {
    "Cause",
    "Correspondence",
    "Fault",
    "Pair",
    "Recipe",
    "Report",
    "check",
    "init",
    "match",
    "state_dict",
    "weights",
}

SIGNAL = {
    "CANDIDATES",
    "Check",
    "Comparison",
    "LayerSignal",
    "MeanField",
    "Recommendation",
    "Trace",
    "balance",
    "check",
    "compare",
    "critical_sigma_w",
    "mean_field",
    "trace",
}

DISTRIBUTIONS = {
    "Constant",
    "DeltaOrthogonal",
    "Dirac",
    "Distribution",
    "Eye",
    "Normal",
    "Orthogonal",
    "ScalarDistribution",
    "Sparse",
    "StructuredDistribution",
    "Triangular",
    "TruncatedNormal",
    "Uniform",
}

REQUIRED = inspect.Parameter.empty

# torch.nn.init's arguments without the tensor and the generator, in torch's order, with torch's
# defaults. torch's `constant_` calls its argument val.
TORCH_ARGUMENTS = {
    "uniform": {"a": 0.0, "b": 1.0},
    "normal": {"mean": 0.0, "std": 1.0},
    "trunc_normal": {"mean": 0.0, "std": 1.0, "a": -2.0, "b": 2.0},
    "constant": {"val": REQUIRED},
    "ones": {},
    "zeros": {},
    "eye": {},
    "dirac": {"groups": 1},
    "xavier_uniform": {"gain": 1.0},
    "xavier_normal": {"gain": 1.0},
    "kaiming_uniform": {"a": 0, "mode": "fan_in", "nonlinearity": "leaky_relu"},
    "kaiming_normal": {"a": 0, "mode": "fan_in", "nonlinearity": "leaky_relu"},
    "orthogonal": {"gain": 1},
    "sparse": {"sparsity": REQUIRED, "std": 0.01},
}

OWN_ARGUMENTS = {
    "bias_uniform": {"fan_in": REQUIRED},
    "delta_orthogonal": {"gain": 1.0},
    "lecun_normal": {},
    "lecun_uniform": {},
    "variance_scaling": {
        "scale": 1.0,
        "mode": "fan_in",
        "distribution_name": "truncated_normal",
    },
}

INITIALIZERS = TORCH_ARGUMENTS | OWN_ARGUMENTS
CANNOT_BE_WRONG = {"ones", "zeros", "Eye", "eye"}


def sections(thing) -> set[str]:
    lines = (inspect.getdoc(thing) or "").splitlines()
    return {line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")}


def test_names_of_the_package():
    assert set(fw.__all__) == NAMES
    assert len(fw.__all__) == len(NAMES)


def test_names_of_the_distributions():
    assert set(distributions.__all__) == DISTRIBUTIONS
    assert len(distributions.__all__) == len(DISTRIBUTIONS)


def test_names_of_signal():
    assert set(fw.signal.__all__) == SIGNAL
    assert len(fw.signal.__all__) == len(SIGNAL)


def test_names_of_port():
    assert set(fw.port.__all__) == PORT
    assert len(fw.port.__all__) == len(PORT)


@pytest.mark.parametrize("module", [fw, fw.port, fw.signal, distributions])
def test_all_is_sorted_and_exists(module):
    assert list(module.__all__) == sorted(module.__all__)
    for name in set(module.__all__) - NEED_TORCH:
        assert hasattr(module, name)


def test_every_initializer_of_the_package_is_in_the_tables():
    classes = {
        name
        for name in set(fw.__all__) - NEED_TORCH
        if isinstance(getattr(fw, name), type) and issubclass(getattr(fw, name), fw.Initializer)
    }
    assert classes - {"Initializer"} == set(INITIALIZERS)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_signature(name):
    parameters = dict(inspect.signature(getattr(fw, name)).parameters)
    layout = parameters.pop("layout")
    assert layout.kind is inspect.Parameter.KEYWORD_ONLY
    assert layout.default == "...IO"
    assert {n: p.default for n, p in parameters.items()} == INITIALIZERS[name]
    assert list(parameters) == list(INITIALIZERS[name])
    assert {p.kind for p in parameters.values()} <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_positional_and_keyword_arguments_mean_the_same(name):
    arguments = {
        n: 0.5 if default is REQUIRED else default for n, default in INITIALIZERS[name].items()
    }
    factory = getattr(fw, name)
    assert factory(*arguments.values()) == factory(**arguments)
    with pytest.raises(TypeError, match="positional"):
        factory(*arguments.values(), "OI...")


def test_an_initializer_is_called_like_those_of_jax():
    def names(call):
        return [n for n in inspect.signature(call).parameters if n != "self"]

    ours = inspect.signature(fw.Initializer.__call__).parameters
    assert names(fw.Initializer.__call__) == ["key", "shape", "dtype", "out_sharding"]
    assert names(fw.Initializer.__call__) == names(jax.nn.initializers.Initializer.__call__)
    assert ours["dtype"].default is None
    assert ours["out_sharding"].default is None


@pytest.mark.parametrize("name", sorted(NAMES - NEED_TORCH))
def test_every_public_name_is_documented(name):
    is_documented(getattr(fw, name), name)


@pytest.mark.parametrize("name", sorted(PORT))
def test_every_public_name_of_port_is_documented(name):
    is_documented(getattr(fw.port, name), name)


@pytest.mark.parametrize("name", sorted(SIGNAL - {"CANDIDATES"}))  # a dict
def test_every_public_name_of_signal_is_documented(name):
    is_documented(getattr(fw.signal, name), name)


def is_documented(thing, name):
    first = inspect.getdoc(thing).splitlines()[0]
    assert first.endswith((".", "?"))
    assert not first.startswith(f"{name}(")  # the text that a dataclass or namedtuple makes up
    assert (thing.__name__ if inspect.ismodule(thing) else thing.__module__).startswith("fanwise")


@pytest.mark.parametrize("name", INITIALIZERS)
def test_sections_of_an_initializer(name):
    expected = {"Args", "Returns", "Example", "References"}
    if name not in CANNOT_BE_WRONG:
        expected.add("Raises")
    assert expected <= sections(getattr(fw, name))


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_sections_of_a_distribution(name):
    thing = getattr(distributions, name)
    if inspect.isabstract(thing) or name == "StructuredDistribution":
        assert thing.__doc__
        return
    expected = {"Args", "Raises", "Example", "References"}
    if name in CANNOT_BE_WRONG:
        expected.discard("Raises")
    assert expected <= sections(thing)


@pytest.mark.parametrize("name", ["calculate_gain", "gain_of", "fans"])
def test_sections_of_a_function(name):
    assert {"Args", "Raises", "Example"} <= sections(getattr(fw, name))


@pytest.mark.parametrize("name", ["check", "init", "match", "state_dict", "weights"])
def test_sections_of_a_function_of_port(name):
    assert {"Args", "Returns", "Raises", "Example"} <= sections(getattr(fw.port, name))


@pytest.mark.parametrize(
    "method",
    [fw.Initializer.__call__, fw.Initializer.distribution, fw.Distribution.sample],
    ids=lambda method: method.__qualname__,
)
def test_public_methods_are_documented(method):
    assert len(inspect.getdoc(method).splitlines()[0]) > 10


@pytest.mark.parametrize("name", INITIALIZERS)
def test_each_argument_is_described(name):
    """``Args:`` has an entry for each argument, and for no other."""
    lines = inspect.getdoc(getattr(fw, name)).splitlines()
    start = lines.index("Args:") + 1
    described = []
    for line in lines[start:]:
        if not line.startswith("    "):
            break
        if not line.startswith("     "):
            described.append(line.split(":")[0].strip())
    assert described == [*INITIALIZERS[name], "layout"]
