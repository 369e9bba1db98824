"""fanwise side by side with jax, flax and torch, in one run: ``python -m benchmarks``.

What is compared does the same work: the same shapes and dtypes, and distributions of the same
family and scale wherever both sides have it. Within each repetition every contestant has its
turn, so that whatever disturbs the machine disturbs all of them; figures are medians with their
quartiles, and ratios are ratios of medians of one run.

*Cold* is a fresh process: from after its imports until the arrays are ready, with JAX's start,
tracing and compiling, and without JAX's compilation cache on disk. *Warm* is a later call in the
same process.
"""
