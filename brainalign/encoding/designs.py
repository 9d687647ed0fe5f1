"""Features of one weighting in a form in which ridge is cheap for many alphas.

A design D has `right` (n_train, m) and gives, for penalty alpha and with P the inverse of the penalised Gram matrix,
D.rows(alpha)       (n_train, m) such that rows right'Y are the fitted values for Y: left P; in a Basis
                    they are right / (l + alpha), and nobody asks for them
D.predict(C, alpha) test predictions from C = right'Y (m, n_units), an alpha (float64) for each unit, one of
                    those that `rows` was asked for
D.n_test            the number of test images
D.to(dtype)         the same for arithmetic in dtype, where it allows that
"""

from dataclasses import dataclass, field, replace

from brainalign.encoding import device as dev

TINY = 1e-300  # stands for an eigenvalue of 0 where it is divided by


class NearlySingular(ArithmeticError):
    """A matrix would be inverted with too large an error."""


@dataclass(frozen=True)
class Basis:
    """Features rotated onto the eigenvectors of their Gram matrix: Z'Z = diag(l), so ridge acts on each alone.

    right : Z (n_train, rank), l : (rank,) eigenvalues > 0, float64 (one column of zeros where all features are
    constant); test : (n_test, rank) the test images in the same basis
    power : (n_test,) squared length of the test images' features, in all directions
    """

    right: object
    l: object
    test: object
    power: object
    _cast: dict = field(default_factory=dict, repr=False)

    @property
    def n_test(self):
        return len(self.test)

    @property
    def nbytes(self):
        return 3 * (self.right.nbytes + self.test.nbytes) // 2 + self.l.nbytes  # with a copy in float32

    def to(self, dtype):
        if dtype not in self._cast and dtype != self.right.dtype:
            self._cast[dtype] = Basis(self.right.to(dtype), self.l, self.test.to(dtype), self.power)
        return self._cast.get(dtype, self)

    def predict(self, C, alpha):
        return self.test @ (C / (self.l.to(C.dtype)[:, None] + alpha.to(C.dtype)))


class Sides:
    """Two spaces side by side, each in its own eigenbasis, for any weights.

    one, two : Basis; cross : Z_1'Z_2, float64; right : (n_train, rank_1 + rank_2); all : the test images below them
    """

    def __init__(self, one, two, cross):
        import torch

        self.one, self.two, self.cross = one, two, cross
        self.all = torch.cat([torch.cat([one.right, two.right], 1), torch.cat([one.test, two.test], 1)])
        self.right, self._cast = self.all[: len(one.right)], {}

    def to(self, dtype):
        if dtype == self.all.dtype:
            return self
        if dtype not in self._cast:
            self._cast[dtype] = Sides(self.one.to(dtype), self.two.to(dtype), self.cross)
        return self._cast[dtype]


@dataclass(frozen=True)
class Pair:
    """Two spaces with weights g_1 and g_2, without a decomposition of both together: penalties alpha / g_i.

    With M = Z_1'Z_2 and D = 1 / (l_1 + alpha / g_1) the penalised Gram matrix is inverted by blocks: its Schur
    complement S = diag(l_2 + alpha / g_2) - M'DM takes one Cholesky decomposition of the second space's size, in
    float64, and the rest are products.
    """

    sides: Sides
    g_1: float
    g_2: float
    tests: dict = field(default_factory=dict)

    @property
    def right(self):
        return self.sides.right

    @property
    def n_test(self):
        return len(self.sides.one.test)

    def to(self, dtype):
        return replace(self, sides=self.sides.to(dtype))

    def rows(self, alpha):
        found = self._through(alpha)
        self.tests[alpha] = found[len(self.right) :].clone()
        return found[: len(self.right)]

    def predict(self, C, alpha):
        return _by_alpha(lambda a: self.tests[a], C, alpha)

    def _through(self, alpha):
        """The images, training and test, times the inverse."""
        import torch

        l_1, l_2, M = self.sides.one.l, self.sides.two.l, self.sides.cross
        one, two = self.sides.all.split([len(l_1), len(l_2)], 1)
        d = 1 / (l_1 + alpha / self.g_1)
        root = d.sqrt()[:, None] * M
        L = _cholesky(torch.diag(l_2 + alpha / self.g_2) - dev.gram(root)).to(one.dtype)
        one, M, d = one * d.to(one.dtype), M.to(one.dtype), d.to(one.dtype)
        two = torch.cholesky_solve(torch.addmm(two, one, M, alpha=-1).T, L).T
        return torch.cat([torch.addmm(one, two, M.T * d, alpha=-1), two], 1)


@dataclass(frozen=True)
class Factored:
    """Features without their eigenvectors: a Cholesky decomposition at every alpha, in float64.

    left, right : X and X with `matrix` X'X, or where there are more dimensions than images, the kernel matrix and I
    with `matrix` the kernel matrix; test : (n_test, m) features or kernel of the test images
    """

    left: object
    right: object
    matrix: object
    test: object

    @property
    def n_test(self):
        return len(self.test)

    def to(self, dtype):
        return self

    def rows(self, alpha):
        return self._through(self.left, alpha)

    def predict(self, C, alpha):
        return _by_alpha(lambda a: self._through(self.test, a), C, alpha)

    def _through(self, rows, alpha):
        import torch

        penalised = self.matrix.clone()
        penalised.diagonal().add_(alpha)
        return torch.cholesky_solve(rows.T, _cholesky(penalised)).T


def _by_alpha(test, C, alpha):
    """Predictions test(alpha) C, unit by unit with its own alpha (n_units,)."""
    import torch

    found = torch.empty(0, device=C.device, dtype=C.dtype)
    for value in alpha.unique().tolist():
        units = alpha == value
        predicted = test(value) @ C[:, units]
        if not len(found):
            found = torch.empty(len(predicted), len(alpha), device=C.device, dtype=C.dtype)
        found[:, units] = predicted
    return found


def _cholesky(matrix):
    import torch

    L, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        raise NearlySingular
    return L
