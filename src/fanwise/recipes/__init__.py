"""Published initializations, as functions that give rules.

``fanwise.linen.init(model, key, x, rule=fanwise.recipes.vgg())``. A rule answers with what the
published code sets, and with torch's own default for the rest, so that a model starts as the
torch model does. What torch has no counterpart for is left alone, unless a recipe says otherwise.
Layers under weight_norm or spectral_norm keep torch's default: no published recipe speaks of them.

Kinds are read without their number of dimensions: what a recipe says of Conv2d holds for Conv1d
and Conv3d too.
"""

from fanwise.recipes.bert import bert
from fanwise.recipes.dcgan import dcgan
from fanwise.recipes.gpt2 import gpt2
from fanwise.recipes.mup import mup, mup_learning_rates
from fanwise.recipes.resnet import resnet
from fanwise.recipes.vgg import vgg
from fanwise.recipes.vit import vit

__all__ = ["bert", "dcgan", "gpt2", "mup", "mup_learning_rates", "resnet", "vgg", "vit"]
