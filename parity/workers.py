"""Processes that share the statistical work, one for each core."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from unittest import mock

import torch

__all__ = ["workers"]

# A matrix product that takes all cores in each of several processes takes longer, not shorter.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes; a fork of one that runs JAX's threads could hang."""
    context = multiprocessing.get_context("spawn")
    with (
        mock.patch.dict(os.environ, _ONE_THREAD),
        ProcessPoolExecutor(os.cpu_count(), context, torch.set_num_threads, (1,)) as pool,
    ):
        yield pool
