"""An LSTM over words in both directions, and a tag for each word."""

import torch
from flax import linen, nnx
from torch import nn

from examples.models.family import Family, tokens

__all__ = ["LSTM_TAGGER", "LinenTagger", "Tagger", "TorchTagger"]


class TorchTagger(nn.Module):
    """Orthogonal recurrent weights, and a forget gate that starts open."""

    def __init__(self, vocabulary=40, embedding=10, hidden=14, tags=5):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, hidden, bidirectional=True, batch_first=True)
        self.hidden2tag = nn.Linear(2 * hidden, tags)
        self.init_weights()

    def init_weights(self):
        """What the constructor drew is drawn again."""
        for name, parameter in self.lstm.named_parameters():
            if "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            elif "weight_hh" in name:
                nn.init.orthogonal_(parameter)
            elif "bias_ih" in name:
                nn.init.zeros_(parameter)
                # The gates are input, forget, cell, output.
                size = parameter.shape[0] // 4
                with torch.no_grad():
                    parameter[size : 2 * size].fill_(1.0)
            else:
                nn.init.zeros_(parameter)
        nn.init.xavier_uniform_(self.hidden2tag.weight)
        nn.init.zeros_(self.hidden2tag.bias)

    def forward(self, words):
        """Logits of the tags of each word."""
        return self.hidden2tag(self.lstm(self.embed(words))[0])


class LinenTagger(linen.Module):
    """torch's two biases are one here."""

    vocabulary: int = 40
    embedding: int = 10
    hidden: int = 14
    tags: int = 5

    @linen.compact
    def __call__(self, words):
        """Logits of the tags of each word."""
        x = linen.Embed(self.vocabulary, self.embedding)(words)
        forward = linen.RNN(linen.OptimizedLSTMCell(self.hidden))
        backward = linen.RNN(linen.OptimizedLSTMCell(self.hidden))
        x = linen.Bidirectional(forward, backward)(x)
        return linen.Dense(self.tags)(x)


class Tagger(nnx.Module):
    """torch's two biases are one here."""

    def __init__(self, vocabulary=40, embedding=10, hidden=14, tags=5, *, rngs):
        self.embed = nnx.Embed(vocabulary, embedding, rngs=rngs)
        self.lstm = nnx.Bidirectional(
            nnx.RNN(nnx.LSTMCell(embedding, hidden, rngs=rngs), rngs=rngs),
            nnx.RNN(nnx.LSTMCell(embedding, hidden, rngs=rngs), rngs=rngs),
            rngs=rngs,
        )
        self.hidden2tag = nnx.Linear(2 * hidden, tags, rngs=rngs)

    def __call__(self, words):
        """Logits of the tags of each word."""
        return self.hidden2tag(self.lstm(self.embed(words)))


LSTM_TAGGER = Family(
    "LSTM tagger",
    TorchTagger,
    LinenTagger,
    Tagger,
    tokens(40, 9),
    real={"vocabulary": 20000, "embedding": 100, "hidden": 256, "tags": 17},
)
