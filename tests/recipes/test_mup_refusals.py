"""What muP cannot scale, and base models that are none of the model."""

import pytest

import fanwise as fw
from fanwise.distributions import Normal
from fanwise.recipes import mup, mup_learning_rates
from tests.recipes.scaling import everywhere, layer


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (fw.normal(1.0, 0.02), "symmetric about 0"),
        (fw.uniform(0, 1), "symmetric about 0"),
        (fw.trunc_normal(a=-1, b=2), "symmetric about 0"),
        (fw.ones(), "symmetric about 0"),
        (fw.orthogonal(), "cannot be scaled"),
        (fw.eye(), "cannot be scaled"),
        (fw.sparse(0.5), "cannot be scaled"),
        (lambda key, shape, dtype: None, "of type function"),
    ],
)
def test_what_cannot_be_scaled_is_refused(value, message):
    base = layer("Linear", in_features=4, out_features=4, bias=False)
    target = layer("Linear", in_features=8, out_features=8, bias=False)
    with pytest.raises(ValueError, match=rf"mup: weight of 'layer'.*{message}"):
        mup([base], everywhere(value))(target)
    mup([base], everywhere(value))(base)


def test_a_mean_may_stay_where_the_factor_is_1():
    base, target = (layer("BatchNorm2d", num_features=width) for width in (4, 8))
    rule = mup([base], fw.recipes.dcgan())
    assert rule(target)["weight"] == Normal(1.0, 0.02)


def test_structured_laws_are_refused_where_one_axis_grew():
    base = layer("Linear", in_features=4, out_features=4, bias=False)
    target = layer("Linear", in_features=4, out_features=8, bias=False)
    with pytest.raises(ValueError, match="cannot be scaled"):
        mup([base], everywhere(fw.orthogonal()))(target)


def test_two_axes_of_which_nobody_knows_the_input():
    base = fw.Layer("", None, parameters={"matrix": (4, 4)})
    target = fw.Layer("", None, parameters={"matrix": (8, 8)})
    assert mup([base])(target) == {}
    with pytest.raises(ValueError, match="which of them is its input is not known"):
        mup([base], everywhere(fw.normal()))(target)
    one = fw.Layer("", None, parameters={"matrix": (4, 8)})
    assert mup([base], everywhere(fw.normal()))(one) == {"matrix": Normal(0.0, 1.0)}


def test_more_than_two_axes():
    base = layer("Bilinear", in1_features=2, in2_features=2, out_features=2)
    target = layer("Bilinear", in1_features=4, in2_features=4, out_features=4)
    with pytest.raises(ValueError, match="grew along 3 axes"):
        mup([base])(target)


def test_a_base_model_that_is_another():
    target = layer("Linear", in_features=8, out_features=8)
    others = {
        "no layer 'layer'": layer("Linear", "other", in_features=4, out_features=4),
        "of one kind": layer("Bilinear", in1_features=4, in2_features=4, out_features=4),
        "the same parameters": layer("Linear", in_features=4, out_features=4, bias=False),
    }
    for message, base in others.items():
        with pytest.raises(ValueError, match=message):
            mup([base])(target)
        with pytest.raises(ValueError, match=message):
            mup_learning_rates([base])(target)
    with pytest.raises(ValueError, match=r"no layer 'layer'.*It has none"):
        mup([])(target)


def test_axes_must_be_as_many():
    base = fw.Layer("", None, parameters={"matrix": (4,)})
    target = fw.Layer("", None, parameters={"matrix": (4, 4)})
    with pytest.raises(ValueError, match="as many axes"):
        mup([base], everywhere(fw.normal()))(target)
