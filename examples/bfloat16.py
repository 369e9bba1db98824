"""Standard normals in bfloat16: fanwise draws in float32 and rounds, jax.random does not.

Prints what four million samples of either look like.
"""

import jax
import jax.numpy as jnp
import numpy as np

import fanwise as fw

SHAPE = (2000, 2000)


def figures(name: str, initializer: jax.nn.initializers.Initializer) -> str:
    """One row of the table: distinct values, mean in standard errors, range."""
    values = np.asarray(initializer(jax.random.key(0), SHAPE, jnp.bfloat16)).astype(np.float64)
    standard_errors = values.mean() * np.sqrt(values.size)
    return (
        f"{name:<30} {len(np.unique(values)):>15,} {standard_errors:>+22.1f} "
        f"{values.min():>+9.3f} {values.max():>+8.3f}"
    )


def main() -> None:
    """Print the table."""
    columns = ("distinct values", "mean, standard errors", "range")
    print(f"{'initializer':<30} {columns[0]:>15} {columns[1]:>22} {columns[2]:>18}")
    print(figures("fanwise.normal()", fw.normal()))
    print(figures("jax.nn.initializers.normal(1)", jax.nn.initializers.normal(1.0)))


if __name__ == "__main__":
    main()
