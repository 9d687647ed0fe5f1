"""Feature spaces side by side, and the eigenbasis of any weighting of them from products made once.

With weights gamma the features are X = [sqrt(gamma_1) X_1, sqrt(gamma_2) X_2, ...]. Their Gram matrix consists of
the blocks sqrt(gamma_i gamma_j) X_i'X_j, their kernel matrix is sum_i gamma_i X_i X_i'; both sets of products are
made once, in float64, and the smaller of the two matrices is decomposed for each gamma.
"""

from dataclasses import dataclass

from brainalign.encoding import device as dev

TINY = 1e-300  # stands for an eigenvalue of 0 where it is divided by


@dataclass(frozen=True)
class Basis:
    """Features rotated onto the eigenvectors of their Gram matrix: Z'Z = diag(l), so ridge acts on each alone.

    Z : (n_train, rank) float64, l : (rank,) eigenvalues > 0 (one column of zeros where all features are constant)
    test : (n_test, rank) the test images in the same basis
    """

    Z: object
    l: object
    test: object


class Bands:
    """The spaces [(X (n_train, p_i), X_test (n_test, p_i))], centred on the training images, on one device."""

    def __init__(self, spaces, device):
        import torch

        self.X = [torch.as_tensor(X).to(device, torch.float64) for X, _ in spaces]
        self.test = [torch.as_tensor(X).to(device, torch.float64) for _, X in spaces]
        self._products = {}

    def basis(self, gamma):
        """The eigenbasis for the weights gamma (n_spaces,); a space of weight 0 takes no part."""
        used = [(i, float(g) ** 0.5) for i, g in enumerate(gamma) if g > 0]
        wide = sum(self.X[i].shape[1] for i, _ in used) > len(self.X[0])
        return self._from_kernel(used) if wide else self._from_gram(used)

    def _from_gram(self, used):
        import torch

        rows = [torch.cat([a * b * self._gram(i, j) for j, b in used], 1) for i, a in used]
        l, Q = positive(*dev.eigh(torch.cat(rows)))
        Z = torch.cat([a * self.X[i] for i, a in used], 1) @ Q
        return Basis(Z, l, torch.cat([a * self.test[i] for i, a in used], 1) @ Q)

    def _from_kernel(self, used):
        l, U = positive(*dev.eigh(sum(a**2 * self._kernel(i) for i, a in used)))
        root = l.clamp_min(TINY).sqrt()
        return Basis(U * root, l, sum(a**2 * self._kernel_test(i) for i, a in used) @ (U / root))

    def _gram(self, i, j):
        if i > j:
            return self._gram(j, i).T
        return self._once(("gram", i, j), lambda: dev.gram(self.X[i]) if i == j else self.X[i].T @ self.X[j])

    def _kernel(self, i):
        return self._once(("kernel", i), lambda: dev.gram(self.X[i].T))

    def _kernel_test(self, i):
        return self._once(("test", i), lambda: self.test[i] @ self.X[i].T)

    def _once(self, key, make):
        if key not in self._products:
            self._products[key] = make()
        return self._products[key]


def positive(l, Q):
    """The eigenvectors with eigenvalues above rounding error; at least one."""
    keep = l > l[-1].clamp_min(TINY) * len(l) * 2.0**-52
    keep[-1] = True
    return l[keep].clamp_min(0), Q[:, keep]
