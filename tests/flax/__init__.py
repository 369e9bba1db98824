"""Models of flax.linen and flax.nnx whose parameters are drawn by fanwise.

Do not run a script from the folder above: there this package would hide the real flax.
"""
