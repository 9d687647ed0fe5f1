"""Ridge of all units at once, the cross-validation exact and from one eigendecomposition.

For unit v with responses y: min over w, b of ||y - b - X w||^2 + alpha_v ||w||^2, alpha_v chosen by K folds. In the
eigenbasis Z of the features (see `bands`), Z'Z = diag(l), the fit to all images is w = C / (l + alpha), C = Z'Y. What
the fit without fold k predicts for fold k is A(alpha) C_k, with an A (n_k, rank) that serves all units, by one of
two exact routes:

LeaveOut   the fit to all images corrected for the fold: with Z_k its rows, a column of ones beside them for the
           intercept, d = 1 / (l + alpha) and 1 / n for that column:
           A = (I - Z_k diag(d) Z_k')^-1 Z_k diag(d), C_k = C - Z_k'Y_k. One n_k x n_k solve per alpha.
DownDate   the fold taken out of the Gram matrix, diag(l) - Z_k'Z_k, which is decomposed again. One eigenproblem per
           fold, nothing per alpha.

The first is the faster on a GPU and for many features, the second on a processor for few; `_route` decides.
"""

import numpy as np

from brainalign.encoding import device as dev
from brainalign.encoding.bands import Bands, positive
from brainalign.encoding.results import Solution

# by bytes a number: a smaller pivot of I - H (1 - the leverage of one image beside the others) costs more digits than
# a score can spare
PIVOT = {4: 1e-3, 8: 1e-9}
# a decomposition of rank r takes the time of EIGH r^3 float32 operations of a matrix product (measured: processor,
# H100), one of the solves of LeaveOut that of SOLVE times its operations
EIGH = {"cpu": 22, "cuda": 150}
SOLVE = {"cpu": 1.0, "cuda": 2.0}


def solve(spaces, Y, gammas, alphas, folds, device=None, shared=False, route=None):
    """Yield one Solution per gamma; see `brainalign.encoding.SOLVERS` for the arguments.

    Y : an array, or the `Targets` made of it and the folds
    device : of torch; None: a GPU where there is one
    shared : one alpha for all units, by their mean score
    route : LeaveOut or DownDate; None: the faster
    """
    targets = Y if isinstance(Y, Targets) else Targets(Y, folds, device)
    bands = Bands(spaces, targets.device)
    for gamma in gammas:
        basis = bands.basis(gamma)
        cv = cross_validate(basis, targets, alphas, route)
        best = _best(cv, shared)
        alpha = np.asarray(alphas, np.float64)[best.cpu().numpy()]
        yield Solution(predict(basis, targets, alpha), alpha, cv.gather(0, best[None])[0].double().cpu().numpy())


class Targets:
    """Responses and their folds on one device, for any number of feature spaces.

    Y : (n_train, n_units) centred on the training images, no NaN; folds : (n_train,) labels
    """

    def __init__(self, Y, folds, device=None):
        import torch

        self.device = dev.choose(device)
        self.Y = torch.as_tensor(Y).to(self.device).contiguous()
        self.rows = [torch.as_tensor(np.flatnonzero(folds == k)).to(self.device) for k in np.unique(folds)]

    def each(self, rank, work):
        """work(slice) for batches of units that fit into memory; where a GPU runs out, with half the units."""
        import torch

        n, n_units = self.Y.shape
        bytes_each = self.Y.element_size() * (2 * n + 3 * rank)  # responses, one fold's errors, C, C_k and a product
        size, start = min(n_units, max(1, dev.budget(self.device) // bytes_each)), 0
        while start < n_units:
            try:
                work(slice(start, start + size))
                start += size
                continue
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            size //= 2
            torch.cuda.empty_cache()


def cross_validate(basis, targets, alphas, route=None):
    """R2 on left-out images, mean over folds: (n_alphas, n_units); a unit constant within a fold scores 0 there."""
    import torch

    dtype = targets.Y.dtype
    make = route or _route(basis, targets, len(alphas))
    folds, Z = [make(basis, rows, dtype) for rows in targets.rows], basis.Z.to(dtype)
    cv = torch.empty(len(alphas), targets.Y.shape[1], device=targets.device, dtype=dtype)

    def work(units):
        Y = targets.Y[:, units]
        C = Z.T @ Y
        cv[:, units] = sum(_scores(fold, C, Y, alphas) for fold in folds) / len(folds)

    try:
        targets.each(Z.shape[1], work)
    except NearlySingular:
        return cross_validate(basis, targets, alphas, DownDate)
    return cv


def predict(basis, targets, alpha):
    """Predictions for the test images by the fit to all training images, alpha (n_units,): (n_test, n_units)."""
    import torch

    dtype = targets.Y.dtype
    Z, l, test = (part.to(dtype) for part in (basis.Z, basis.l, basis.test))
    alpha = torch.as_tensor(alpha).to(targets.device, dtype)
    yhat = torch.empty(len(test), len(alpha), device=targets.device, dtype=dtype)

    def work(units):
        yhat[:, units] = test @ ((Z.T @ targets.Y[:, units]) / (l[:, None] + alpha[units]))

    targets.each(Z.shape[1], work)
    return yhat


class NearlySingular(ArithmeticError):
    """I - H of some fold would be inverted with too large an error; DownDate has no such step."""


class LeaveOut:
    """One fold by the correction of the fit to all images."""

    def __init__(self, basis, rows, dtype):
        import torch

        n, rank = basis.Z.shape
        spare = -(rank + 1) % 8  # columns of zeros: a multiple of 8 keeps a GPU's fastest products
        self.rows, self.n, self.l, self.spare = rows, n, basis.l, spare
        Z = torch.nn.functional.pad(basis.Z[rows], (0, 1 + spare))
        Z[:, rank] = 1
        self.Z = Z.to(dtype)
        self._times_Zt, self._times_Z = dev.times(self.Z.T), dev.times(self.Z)

    def coefficients(self, C, Y):
        import torch

        C = torch.nn.functional.pad(C, (0, 0, 0, 1 + self.spare))
        return C.addmm_(self.Z.T, Y[self.rows], alpha=-1)

    def target(self, Y):
        return Y[self.rows]

    def predictor(self, alpha):
        d = self._shrinkage(alpha)
        found, pivot = dev.solve_positive(_one_minus(self._times_Zt(self.Z * d)), self._times_Z, self.Z)
        if pivot < PIVOT[self.Z.element_size()]:
            raise NearlySingular
        return found * d

    def _shrinkage(self, alpha):
        """d, with that of the intercept's column and of the spare ones behind."""
        import torch

        d = torch.cat([1 / (self.l + alpha), self.l.new_tensor([1 / self.n])])
        return torch.nn.functional.pad(d, (0, self.spare)).to(self.Z.dtype)


class DownDate:
    """One fold by the eigenvectors of the Gram matrix of the others, centred on their own means."""

    def __init__(self, basis, rows, dtype):
        import torch

        Z, n_left = basis.Z[rows], len(basis.Z) - len(rows)
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


def _scores(fold, C, Y, alphas):
    """R2 of every alpha on the left-out images of one fold: (n_alphas, n_units)."""
    import torch

    target, held = fold.target(Y), Y[fold.rows]
    total = (held - held.mean(0)).square().sum(0)
    parts = range(0, Y.shape[1], dev.UNITS_AT_ONCE)
    C_k = fold.coefficients(C, Y)
    predict = [dev.times(C_k[:, k : k + dev.UNITS_AT_ONCE], tf32=True) for k in parts]
    targets = [target[:, k : k + dev.UNITS_AT_ONCE] for k in parts]
    error = torch.empty(len(alphas), Y.shape[1], device=Y.device, dtype=Y.dtype)
    for i, alpha in enumerate(alphas):
        A = fold.predictor(float(alpha))
        squared = [(times(A) - y).square_().sum(0) for times, y in zip(predict, targets)]
        error[i] = torch.cat(squared)
    return torch.where(total > 0, 1 - error / total, 0)


def _one_minus(H):
    """I - H, in place."""
    H.neg_().diagonal().add_(1)
    return H


def _best(cv, shared):
    """Position of the best alpha of each unit; with `shared` that of the best mean."""
    return cv.mean(1).argmax().expand(cv.shape[1]) if shared else cv.argmax(0)


def _route(basis, targets, n_alphas):
    """The faster route, by a count of operations in units of a float32 product."""
    kind, r, n = targets.device.type, basis.Z.shape[1], len(basis.Z)
    sizes = np.array([len(rows) for rows in targets.rows])
    leave_out = n_alphas * (SOLVE[kind] * (4 * sizes**2 * r + sizes**3)).sum()
    down_date = len(sizes) * (EIGH[kind] * r**3 + 2 * r**2 * targets.Y.shape[1]) + 6 * n * r**2
    return LeaveOut if leave_out < down_date else DownDate
