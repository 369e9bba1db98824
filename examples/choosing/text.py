"""Text without a download: a Markov source, of which it is known how well it can be predicted."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Source", "source"]


@dataclass(frozen=True)
class Source:
    """A source of words in which the next word depends on the last two.

    Args:
        table: probabilities, of shape (word before the last, last word, next word).
        pairs: the stationary distribution of two words in a row.
    """

    table: np.ndarray
    pairs: np.ndarray

    def sample(self, rng: np.random.Generator, count: int, length: int) -> np.ndarray:
        """Texts, int32 of shape (count, length), that begin in the stationary distribution."""
        words = len(self.table)
        texts = np.empty((count, length), np.int32)
        first = rng.choice(self.pairs.size, count, p=self.pairs.ravel())
        texts[:, 0], texts[:, 1] = first // words, first % words
        steps = np.cumsum(self.table, axis=-1)
        for position in range(2, length):
            reached = steps[texts[:, position - 2], texts[:, position - 1]]
            texts[:, position] = (rng.random((count, 1)) > reached[:, :-1]).sum(axis=-1)
        return texts

    @property
    def entropy_rate(self) -> float:
        """The smallest loss that a model of it can reach, in nats a word."""
        return float((self.pairs[..., None] * _surprise(self.table)).sum())

    @property
    def entropy_after_one(self) -> float:
        """The smallest loss of a model that sees the last word alone."""
        joint = np.einsum("ab,abc->bc", self.pairs, self.table)
        return float(_surprise(joint / joint.sum(-1, keepdims=True), joint).sum())


def _surprise(probabilities: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    logs = -np.log(np.maximum(probabilities, np.finfo(float).tiny))
    return (probabilities if weights is None else weights) * logs


def source(rng: np.random.Generator, words: int, sparsity: float = 0.05) -> Source:
    """A source that looks at one of its last two words, either half of the time.

    Args:
        rng: where its probabilities come from.
        words: the size of the vocabulary.
        sparsity: of the Dirichlet distribution that they are drawn from; the smaller, the fewer
            words can follow.
    """
    after, later = rng.dirichlet(np.full(words, sparsity), (2, words))
    table = (after[None] + later[:, None]) / 2
    pairs = np.full((words, words), words**-2.0)
    for _ in range(200):
        pairs = np.einsum("ab,abc->bc", pairs, table)
    return Source(table, pairs / pairs.sum())
