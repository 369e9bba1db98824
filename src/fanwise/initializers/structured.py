"""Initializers whose elements depend on one another: eye, dirac, orthogonal, sparse."""

from dataclasses import dataclass

from fanwise.distributions import DeltaOrthogonal, Dirac, Distribution, Eye, Orthogonal, Sparse
from fanwise.initializers.base import Initializer
from fanwise.layouts import axes_of
from fanwise.validation import positive_integer, real

__all__ = ["delta_orthogonal", "dirac", "eye", "orthogonal", "sparse"]


@dataclass(frozen=True, repr=False)
class _Structured(Initializer):
    """Checks that a shape fits its layout as soon as a distribution is asked for."""

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        axes_of(shape, layout)
        return self._with_layout(layout)

    def _with_layout(self, layout: str) -> Distribution:
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class eye(_Structured):
    """The identity matrix: a linear layer that passes on as many inputs as it can.

    Args:
        layout: the roles of the parameter's axes, without receptive-field axes.

    Returns:
        An initializer for matrices, in any numeric or boolean dtype.

    Raises:
        ValueError: on sampling, if the shape has a receptive field, or does not fit the layout.

    Example:
        >>> import jax
        >>> eye()(jax.random.key(0), (2, 3))
        Array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)

    References:
        ``torch.nn.init.eye_``.
    """

    def _with_layout(self, layout: str) -> Distribution:
        return Eye(layout=layout)


@dataclass(frozen=True, repr=False)
class dirac(_Structured):
    """A convolution that passes on its input channels, in each of its groups.

    The one stands at ``k // 2`` of every receptive-field axis, as in torch.

    Args:
        groups: number of groups of the convolution.
        layout: the roles of the parameter's axes, one to three of them receptive field.

    Returns:
        An initializer for kernels with 3, 4 or 5 axes, in any numeric or boolean dtype.

    Raises:
        TypeError: if ``groups`` is no integer.
        ValueError: if ``groups`` is not positive; on sampling, if it does not divide the output
            axis, or the shape is not that of a convolution.

    Example:
        >>> import jax
        >>> kernel = dirac(groups=2)(jax.random.key(0), (3, 3, 2, 4))
        >>> kernel[1, 1]
        Array([[1., 0., 1., 0.],
               [0., 1., 0., 1.]], dtype=float32)

    References:
        ``torch.nn.init.dirac_``.
    """

    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(groups=positive_integer("dirac", "groups", self.groups))

    def _with_layout(self, layout: str) -> Distribution:
        return Dirac(self.groups, layout=layout)


@dataclass(frozen=True, repr=False)
class orthogonal(_Structured):
    r"""A (semi-)orthogonal matrix, Haar-distributed, times ``gain``.

    The weight is read as the matrix of its output axis by all the others, as in torch. With at
    most as many rows as columns the rows are orthonormal times ``gain``, otherwise the columns;
    the std of an element is :math:`\text{gain} / \sqrt{\max(\text{rows}, \text{columns})}`.

    Args:
        gain: factor, any finite number.
        layout: the roles of the parameter's axes; batch axes are independent matrices. A
            recurrent kernel whose gates lie side by side is one wide matrix without a batch
            axis, here as in torch.

    Returns:
        An initializer for shapes of two axes and more, in float16, bfloat16 (both computed in
        float32 and rounded once; torch on CPU and JAX refuse them), float32 and float64.

    Raises:
        TypeError: if ``gain`` is no real number; on sampling, for complex dtypes, as torch.
        ValueError: if ``gain`` is not finite; on sampling, if the shape does not fit the layout.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> w = orthogonal(gain=2)(jax.random.key(0), (4, 4))
        >>> bool(jnp.allclose(w.T @ w, 4 * jnp.eye(4), atol=1e-5))
        True

    References:
        ``torch.nn.init.orthogonal_``; Saxe et al. (2013).
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(gain=real("orthogonal", "gain", self.gain))

    def _with_layout(self, layout: str) -> Distribution:
        return Orthogonal(self.gain, layout=layout)


@dataclass(frozen=True, repr=False)
class delta_orthogonal(_Structured):
    """An orthogonal matrix at the centre of a convolution kernel, zeros elsewhere.

    Not in torch. The matrix stands at ``(k - 1) // 2``, as in ``jax.nn.initializers``; with an
    even kernel that is where XLA's ``SAME`` padding aligns input and output.

    Args:
        gain: factor, any finite number.
        layout: the roles of the parameter's axes, one to three of them receptive field.

    Returns:
        An initializer for kernels with at most as many inputs as outputs, in float16, bfloat16,
        float32 and float64.

    Raises:
        TypeError: if ``gain`` is no real number.
        ValueError: if ``gain`` is not finite; on sampling, if the shape is not that of a
            convolution, or has more inputs than outputs.

    Example:
        >>> import jax
        >>> delta_orthogonal()(jax.random.key(0), (3, 3, 4, 8)).shape
        (3, 3, 4, 8)

    References:
        Xiao et al. (2018), Dynamical isometry and a mean field theory of CNNs.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(gain=real("delta_orthogonal", "gain", self.gain))

    def _with_layout(self, layout: str) -> Distribution:
        return DeltaOrthogonal(self.gain, layout=layout)


@dataclass(frozen=True, repr=False)
class sparse(_Structured):
    """Normals of mean 0, of which every input keeps all but ``ceil(sparsity * outputs)``.

    Args:
        sparsity: the fraction of zeros, from 0 to 1.
        std: standard deviation of the values that remain, at least 0.
        layout: the roles of the parameter's axes, without receptive-field axes.

    Returns:
        An initializer for matrices in float16, bfloat16, float32, float64, complex64 and
        complex128.

    Raises:
        TypeError: if an argument is no real number.
        ValueError: if one is out of range (torch takes any ``sparsity``, and slices with it); on
            sampling, if the shape is no matrix.

    Example:
        >>> import jax
        >>> w = sparse(sparsity=0.1)(jax.random.key(0), (3, 5))
        >>> (w == 0).sum(axis=1)  # one of five outputs for each of the three inputs
        Array([1, 1, 1], dtype=int32)

    References:
        ``torch.nn.init.sparse_``; Martens (2010), Deep learning via Hessian-free optimization.
    """

    sparsity: float
    std: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            sparsity=real("sparse", "sparsity", self.sparsity, minimum=0.0, maximum=1.0),
            std=real("sparse", "std", self.std, minimum=0.0),
        )

    def _with_layout(self, layout: str) -> Distribution:
        return Sparse(self.sparsity, self.std, layout=layout)
