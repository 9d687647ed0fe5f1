"""One fold left out, exactly: what the fit without it predicts for it, A(alpha) C_k with an A that serves all units.

LeaveOut   the fit to all images corrected for the fold: with B the rows of the fold that `design.rows` gives, Z_k
           those of `design.right`, a column of ones beside them for the intercept and 1 / n beside B:
           A = (I - B Z_k')^-1 B, C_k = C - Z_k'Y_k. One n_k x n_k solve per alpha.
DownDate   the fold taken out of the Gram matrix of a `Basis`, diag(l) - Z_k'Z_k, which is decomposed again. One
           eigenproblem per fold, nothing per alpha.
"""

from brainalign.encoding import device as dev
from brainalign.encoding.bands import positive
from brainalign.encoding.designs import Basis, NearlySingular

# by bytes a number: a smaller pivot of I - H (1 - the leverage of one image beside the others) costs more digits than
# a score can spare
PIVOT = {4: 1e-3, 8: 1e-9}


class LeaveOut:
    """One fold by the correction of the fit to all images."""

    def __init__(self, design, rows, dtype):
        import torch

        n, m = design.right.shape
        self.rows, self.n = rows, n
        self._room = 0, 1 + -(m + 1) % 8  # a multiple of 8 columns keeps a GPU's fastest products
        Z = torch.nn.functional.pad(design.right[rows], self._room)
        Z[:, m] = 1
        self.Z, self.m = Z.to(dtype), m
        self.l = design.l if isinstance(design, Basis) else None
        self._times_Zt, self._times_Z = dev.times(self.Z.T), self.l is not None and dev.times(self.Z)

    def coefficients(self, C, Y):
        import torch

        C = torch.nn.functional.pad(C, (0, 0, *self._room))
        return C.addmm_(self.Z.T, Y[self.rows], alpha=-1)

    def target(self, Y):
        return Y[self.rows]

    def predictor(self, alpha, B=None):
        """A, from all rows B that the design gives for alpha; not asked for in a `Basis`, where B = Z d."""
        import torch

        if self.l is None:
            B = torch.nn.functional.pad(B[self.rows], self._room).to(self.Z.dtype)
            B[:, self.m] = 1 / self.n
            return self._corrected(B, B, dev.times(B))
        d = torch.cat([1 / (self.l + alpha), self.l.new_tensor([1 / self.n])])
        d = torch.nn.functional.pad(d, (0, self._room[1] - 1)).to(self.Z.dtype)
        return self._corrected(self.Z * d, self.Z, self._times_Z).mul_(d)

    def _corrected(self, B, right, times_right):
        """(I - B Z_k')^-1 right."""
        found, pivot = dev.solve_positive(_one_minus(self._times_Zt(B)), right, times_right)
        if pivot < PIVOT[self.Z.element_size()]:
            raise NearlySingular
        return found


class DownDate:
    """One fold by the eigenvectors of the Gram matrix of the others, centred on their own means."""

    def __init__(self, basis, rows, dtype):
        import torch

        Z, n_left = basis.right[rows], len(basis.right) - len(rows)
        self.rows, self.n_left, mean = rows, n_left, -Z.sum(0) / n_left
        gram = torch.diag(basis.l) - dev.gram(Z) - n_left * torch.outer(mean, mean)
        # directions that only the fold's own images span are left out: their coefficients are 0, but for rounding
        self.l, Q = positive(*dev.eigh(gram))
        self.Q = Q.to(dtype)
        self.mean, self.raw, self.Z = mean.to(dtype), Z.to(dtype), ((Z - mean) @ Q).to(dtype)

    def coefficients(self, C, Y):
        import torch

        C = torch.addmm(C, self.raw.T, Y[self.rows], alpha=-1)
        return self.Q.T @ C.addr_(self.mean, self._mean(Y), alpha=-self.n_left)

    def target(self, Y):
        return Y[self.rows] - self._mean(Y)

    def predictor(self, alpha):
        return self.Z / (self.l + alpha).to(self.Z.dtype)

    def _mean(self, Y):
        return -Y[self.rows].sum(0) / self.n_left


def _one_minus(H):
    """I - H, in place."""
    H.neg_().diagonal().add_(1)
    return H
