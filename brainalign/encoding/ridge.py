"""Ridge of all units at once, the cross-validation exact and from one decomposition.

For unit v with responses y: min over w, b of ||y - b - X w||^2 + alpha_v ||w||^2, alpha_v chosen by K folds. The
features come as a design (see `designs`): rotated onto their eigenvectors, Z'Z = diag(l), the fit to all images is
w = C / (l + alpha), C = Z'Y. Folds are left out by one of two exact routes (see `folds`): LeaveOut is the faster on a
GPU and for many features, DownDate on a processor for few; `_route` decides, and the other steps in where one fails.
"""

import numpy as np

from brainalign.encoding import costs
from brainalign.encoding import device as dev
from brainalign.encoding.bands import Bands
from brainalign.encoding.designs import Basis, Factored, NearlySingular
from brainalign.encoding.folds import DownDate, LeaveOut
from brainalign.encoding.results import Solution

# a decomposition of rank r takes the time of EIGH r^3 float32 operations of a matrix product (measured: processor,
# H100 at 4096), one of the solves of LeaveOut that of SOLVE times its operations
EIGH = {"cpu": 22, "cuda": 150}
SOLVE = {"cpu": 1.0, "cuda": 2.0}
# rounded products choose alpha only if their choice scores within TOLERANCE of the best, in full float32, for the
# share AGREEMENT of SAMPLE units
SAMPLE, TOLERANCE, AGREEMENT = 512, 5e-5, 0.998
BY_CHOLESKY = "eigenvalues of the features did not converge: solved by a Cholesky decomposition at every alpha"


def solve(
    spaces, Y, gammas, alphas, folds, device=None, shared=False, route=None, keys=None, kept=None, n_costed=None
):
    """Yield one Solution per gamma; see `brainalign.encoding.SOLVERS` for the arguments.

    Y : an array, or the `Targets` made of it and the folds
    device : of torch; None: a GPU where there is one
    shared : one alpha for all units, by their mean score
    route : LeaveOut or DownDate; None: the faster
    keys, kept : for products that outlive this call, see `bands.Bands`
    n_costed : tell `Solution.cost` for the first so many test images, from the eigenvectors of all spaces together
    """
    targets = Y if isinstance(Y, Targets) else Targets(Y, folds, device)
    bands = Bands(spaces, targets.device, keys, kept)
    targets.release = bands.kept.clear
    alphas = np.asarray(alphas, np.float64)
    for gamma in gammas:
        design, cv, warnings = _search(bands, gamma, targets, alphas, route, n_costed is None)
        best = _best(cv, shared)
        alpha, cv = alphas[best.cpu().numpy()], cv.gather(0, best[None])[0].double().cpu().numpy()
        cost = (
            None if n_costed is None else _cost(design, targets, alphas, alpha, n_costed, np.count_nonzero(gamma) > 1)
        )
        yield Solution(predict(design, targets, alpha), alpha, cv, cost, (*warnings, *targets.told()))


def _search(bands, gamma, targets, alphas, route, pairs):
    """The first design that can be solved, the faster ones first: it, its scores and what had to be told."""
    pair = pairs and route is None and _pair_pays(bands.pairs_off(gamma), targets, len(alphas))
    for make in [bands.pair] * pair + [bands.basis]:
        try:
            design = make(gamma)
            return design, cross_validate(design, targets, alphas, route), ()
        except (dev.NotConverged, NearlySingular):
            continue
    try:
        design = bands.factored(gamma)
        return design, cross_validate(design, targets, alphas, LeaveOut), (BY_CHOLESKY,)
    except NearlySingular:
        raise ValueError(
            f"the features can be solved neither by eigenvalues nor by Cholesky at alpha {alphas[0]:g}: look for "
            "features of extreme size, or leave out the smallest alphas"
        ) from None


class Targets:
    """Responses and their folds on one device, for any number of feature spaces.

    Y : (n_train, n_units) centred on the training images, no NaN; folds : (n_train,) labels
    release : gives up what can be made again, where a GPU's memory runs out; None: there is nothing
    """

    def __init__(self, Y, folds, device=None):
        import torch

        self.device = dev.choose(device)
        self.Y = torch.as_tensor(Y).to(self.device).contiguous()
        self.rows = [torch.as_tensor(np.flatnonzero(folds == k)).to(self.device) for k in np.unique(folds)]
        self._product, self._halved, self.release = (None, None, None), 0, None

    def product(self, right, units):
        """right'Y of a batch of units; the last one is kept, since choosing and predicting both need it."""
        if self._product[0] is not right or self._product[1] != units:
            self._product = None, None, None
            self._product = right, units, right.T @ self.Y[:, units].to(right.dtype)
        return self._product[2]

    def each(self, rank, work):
        """work(slice) for batches of units that fit into memory; where a GPU runs out, with half the units."""
        import torch

        n, n_units = self.Y.shape
        # responses, one fold's errors, C, a product, and C_k of every fold, which a processor copies
        bytes_each = self.Y.element_size() * (2 * n + 2 * (1 + len(self.rows)) * rank)
        size, start = min(n_units, max(1, dev.budget(self.device) // bytes_each)), 0
        while start < n_units:
            try:
                work(slice(start, start + size))
                start += size
                continue
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            size, self._product = size // 2, (None, None, None)
            self._halved = size
            torch.cuda.empty_cache()

    def told(self):
        """A warning where memory ran out since this was last asked."""
        halved, self._halved = self._halved, 0
        return (f"the device ran out of memory: went on with {halved} units at a time",) if halved else ()


def cross_validate(design, targets, alphas, route=None):
    """R2 on left-out images, mean over folds: (n_alphas, n_units); a unit constant within a fold scores 0 there."""
    first = route or _route(design, targets, len(alphas))
    others = [make for make in (DownDate, LeaveOut) if make is not first and isinstance(design, Basis)]
    for make in (first, *others):
        try:
            quick = dev.rounds(targets.device)
            cv, exact = _table(design, targets, alphas, make, quick)
            return cv if not quick or _agree(cv, exact) else _table(design, targets, alphas, make, False)[0]
        except (NearlySingular, dev.NotConverged):
            continue
    raise NearlySingular


def predict(design, targets, alpha):
    """Predictions for the test images by the fit to all training images, alpha (n_units,): (n_test, n_units)."""
    import torch

    dtype = _dtype(design, targets)
    design, alpha, Y = design.to(dtype), torch.as_tensor(alpha).to(targets.device), targets.Y
    yhat = dev.with_room(
        lambda: torch.empty(design.n_test, len(alpha), device=Y.device, dtype=Y.dtype), targets.release
    )

    def work(units):
        yhat[:, units] = design.predict(targets.product(design.right, units), alpha[units]).to(Y.dtype)

    targets.each(design.right.shape[1], work)
    return yhat


def _cost(design, targets, alphas, alpha, n_test, several):
    """What it costs the predictions that weights are estimated, (n_units,); see `costs`."""
    import torch

    if not isinstance(design, Basis):
        return costs.unknown(len(alpha))
    cast, alpha, found = design.to(targets.Y.dtype), torch.as_tensor(alpha).to(targets.device), []

    def work(units):
        product = targets.product(cast.right, units), targets.Y[:, units]
        about = design.l, design.test[:n_test], design.power[:n_test].mean()
        found.append(costs.of_basis(*about, *product, alphas, alpha[units], several))

    targets.each(cast.right.shape[1], work)
    return costs.Cost(*(np.concatenate([getattr(part, name) for part in found]) for name in costs.NAMES))


def _table(design, targets, alphas, make, quick):
    """Scores of all units, (n_alphas, n_units); with `quick` by rounded products, and those of a sample in full."""
    import torch

    dtype, n_units = _dtype(design, targets), targets.Y.shape[1]

    def prepare():
        cv = torch.empty(len(alphas), n_units, device=targets.device, dtype=dtype)
        return [make(design, rows, dtype) for rows in targets.rows], design.to(dtype), cv

    folds, cast, cv = dev.with_room(prepare, targets.release)
    exact = cv.clone() if quick else None

    def work(units):
        Y, C = targets.Y[:, units].to(dtype), targets.product(cast.right, units)
        sample = _sample(n_units, units, Y.device) if quick else None
        cv[:, units], found = _scores(folds, cast, C, Y, alphas, sample)
        if quick:
            exact[:, units.start + sample] = found

    targets.each(cast.right.shape[1], work)
    return cv, exact[:, _sample(n_units, slice(0, n_units), cv.device)] if quick else None


def _scores(folds, design, C, Y, alphas, sample=None):
    """R2, mean over folds: (n_alphas, n_units); with a sample by rounded products, and the sample's in full."""
    import torch

    tests = [_Held(fold, C, Y, sample is not None) for fold in folds]
    checks = [] if sample is None else [_Held(fold, C[:, sample], Y[:, sample], False) for fold in folds]
    cv = torch.zeros(len(alphas), Y.shape[1], device=Y.device, dtype=Y.dtype)
    exact = cv[:, : len(sample)].clone() if checks else None
    for i, k, A in _predictors(folds, design, alphas):
        cv[i] += tests[k].score(A) / len(folds)
        if checks:
            exact[i] += checks[k].score(A) / len(folds)
    return cv, exact


def _predictors(folds, design, alphas):
    """Yield (position of alpha, position of fold, A), in the order that repeats the least."""
    if isinstance(design, Basis):  # the folds share nothing
        yield from ((i, k, fold.predictor(float(a))) for k, fold in enumerate(folds) for i, a in enumerate(alphas))
        return
    for i, alpha in enumerate(alphas):
        B = design.rows(float(alpha))
        yield from ((i, k, fold.predictor(float(alpha), B)) for k, fold in enumerate(folds))


class _Held:
    """The images of one fold, to be predicted for some units."""

    def __init__(self, fold, C, Y, quick):
        C_k, self.target, held = fold.coefficients(C, Y), fold.target(Y), Y[fold.rows]
        self.total = (held - held.mean(0)).square().sum(0)
        self.parts = [slice(k, k + dev.UNITS_AT_ONCE) for k in range(0, Y.shape[1], dev.UNITS_AT_ONCE)]
        self.products = [dev.times(C_k[:, part], quick) for part in self.parts]

    def score(self, A):
        """R2 of the predictions A C_k: (n_units,)."""
        import torch

        if not self.products:
            return self.total
        error = [(times(A) - self.target[:, part]).square_().sum(0) for times, part in zip(self.products, self.parts)]
        return torch.where(self.total > 0, 1 - torch.cat(error) / self.total, 0)


def _sample(n_units, units, device):
    """Positions within the batch `units` of a sample that is spread evenly over all units."""
    import torch

    spread = torch.linspace(0, n_units - 1, min(n_units, SAMPLE), device=device, dtype=torch.float64).round().long()
    return spread[(spread >= units.start) & (spread < units.stop)] - units.start


def _agree(cv, exact):
    """Whether the choice by rounded products is as good as that in full, for the sample of which both are known."""
    sample = _sample(cv.shape[1], slice(0, cv.shape[1]), cv.device)
    chosen = exact.gather(0, cv[:, sample].argmax(0)[None])[0]
    return float((chosen >= exact.max(0).values - TOLERANCE).double().mean()) >= AGREEMENT


def _dtype(design, targets):
    """Of the arithmetic: that of the responses, but float64 where that of the design must stay."""
    return design.right.dtype if isinstance(design, Factored) else targets.Y.dtype


def _best(cv, shared):
    """Position of the best alpha of each unit; with `shared` that of the best mean."""
    return cv.mean(1).argmax().expand(cv.shape[1]) if shared else cv.argmax(0)


def _route(design, targets, n_alphas):
    """The faster route, by a count of operations in units of a float32 product."""
    if not isinstance(design, Basis):
        return LeaveOut
    kind, (n, r) = targets.device.type, design.right.shape
    sizes = np.array([len(rows) for rows in targets.rows])
    leave_out = n_alphas * (SOLVE[kind] * (4 * sizes**2 * r + sizes**3)).sum()
    down_date = len(sizes) * (EIGH[kind] * r**3 + 2 * r**2 * targets.Y.shape[1]) + 6 * n * r**2
    return LeaveOut if leave_out < down_date else DownDate


def _pair_pays(widths, targets, n_alphas):
    """Whether 20 small factorisations of two spaces beat the decomposition of both, by the same count.

    Not on a processor: measured there, it takes as long or longer (0.9 times the speed at n 600, p 200).
    """
    if widths is None or targets.device.type == "cpu":
        return False
    (a, b), n = widths, len(targets.Y)
    each = SOLVE["cuda"] * b**3 / 3 + 2 * a * b**2 + n * (4 * a * b + 2 * b**2)
    return n_alphas * each < EIGH["cuda"] * 4096 * (a + b) ** 2 + 2 * n * (a + b) ** 2
