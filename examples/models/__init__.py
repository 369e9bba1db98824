"""Small architectures, each in torch, linen and nnx, as people write them and port them.

Each file has one: the torch model with its own initialization, and two ports of it that leave
initialization to Flax's defaults. Sizes are arguments, small unless told otherwise. The ports say
what must be set so that they compute what torch computes: paddings, epsilons, the kind of gelu,
the momentum of running statistics.
"""
