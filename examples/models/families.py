"""All architectures."""

from examples.models.alexnet import ALEXNET
from examples.models.convnext import CONVNEXT
from examples.models.dcgan import DCGAN
from examples.models.gpt2 import GPT2
from examples.models.lstm_tagger import LSTM_TAGGER
from examples.models.mlp_mixer import MLP_MIXER
from examples.models.resnet import RESNET
from examples.models.seq2seq import SEQ2SEQ
from examples.models.unet import UNET
from examples.models.vit import VIT

__all__ = ["FAMILIES"]

FAMILIES = (
    ALEXNET,
    RESNET,
    CONVNEXT,
    VIT,
    MLP_MIXER,
    UNET,
    DCGAN,
    GPT2,
    SEQ2SEQ,
    LSTM_TAGGER,
)
