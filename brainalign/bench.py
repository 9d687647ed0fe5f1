"""How fast the encoding engine is beside its peers, measured in one run, and how well it agrees with float64.

`python -m brainalign.bench ridge` or `banded` prints the result as JSON; it needs torch, numpy, scipy, scikit-learn
and himalaya, no data, and uses the first GPU where there is one. Every solver gets the same arrays, already on its
device, and has the same to do: choose alpha for each unit by K-fold cross-validation, refit, predict the test images.
Rounds are interleaved; a figure is the median of its rounds. Peers that are far behind in the first round are not
measured again.
"""

import time
import warnings
from functools import partial

import numpy as np

from brainalign import stats
from brainalign.encoding import gamma_grid
from brainalign.encoding import ridge as engine

FAR = 1.5  # times the seconds of the fastest peer
BATCHES = {"cpu": 500, "cuda": 4000}  # himalaya's n_targets_batch: measured best of 200, 500, 1000 and all
SKLEARN_UNITS = 1000  # scikit-learn chooses one alpha for a batch of units
SAMPLE = 500  # units for which the float64 reference scores every alpha
SIZES = {"cpu": {"ridge": (1800, 820, 600), "banded": (1200, 400, 600)}}
SIZES["cuda"] = {"ridge": (9000, 4096, 15_724), "banded": (9000, 4096, 15_724)}


def ridge(n=None, p=None, T=None, n_alphas=20, folds=5, repeats=3, device=None, peers=None, seed=0):
    """One feature space: the engine against himalaya's RidgeCV and KernelRidgeCV and scikit-learn's RidgeCV.

    n, p, T : training images, dimensions, units; None: a size that suits the device
    peers : names to measure, as in `ridge_peers`; None: all
    Returns a dict: seconds, peer_seconds (name -> seconds), ratio (fastest peer / engine), agreement, sizes, device.
    """
    task = Task(1, *_sizes("ridge", device, n, p, T), n_alphas, folds, device, seed)
    return _measure(task, [[1.0]], _chosen(ridge_peers(task), peers), repeats)


def banded(n=None, p=None, T=None, n_alphas=20, folds=5, n_gammas=9, repeats=3, device=None, peers=None, seed=0):
    """Two feature spaces of p dimensions on a grid of gammas with both corners: against himalaya's multiple kernels.

    Returns what `ridge` returns, and seconds_a_gamma.
    """
    task = Task(2, *_sizes("banded", device, n, p, T), n_alphas, folds, device, seed)
    gammas = gamma_grid(2, n_gammas - 2)
    found = _measure(task, gammas, _chosen(banded_peers(task, gammas), peers), repeats)
    return found | {"gammas": len(gammas), "seconds_a_gamma": found["seconds"] / len(gammas)}


def projection(seconds, seconds_banded, models=4, instructions=10, layers=33, subjects=(4, 8), gpus=(1, 8)):
    """Hours of fitting for whole studies: every layer of every model and instruction, every pair of instructions.

    seconds, seconds_banded : of one fit of one space and of one joint fit, as measured
    """
    rows, pairs = [], instructions * (instructions - 1) // 2
    for n in subjects:
        fits, joint = n * models * instructions * layers, n * models * pairs
        for g in gpus:
            hours = (fits * seconds + joint * seconds_banded) / g / 3600
            rows.append({"subjects": n, "gpus": g, "fits": fits, "joint_fits": joint, "hours": round(hours, 2)})
    return rows


class Task:
    """Planted data on one device: features with a falling spectrum, units from none to much signal."""

    def __init__(self, n_spaces, n, p, T, n_alphas, folds, device, seed):
        import torch

        from brainalign.encoding import device as dev

        self.n, self.p, self.T, self.device = n, p, T, dev.choose(device)
        rng = torch.Generator().manual_seed(seed)
        n_all, rows = n + n // 9, torch.arange(n + n // 9)
        signal, self.spaces = 0, []
        for _ in range(n_spaces):
            X = torch.randn(n_all, p, generator=rng) * torch.arange(1, p + 1) ** -0.5
            signal = signal + X @ torch.randn(p, T, generator=rng)
            X = X @ torch.linalg.qr(torch.randn(p, p, generator=rng))[0]
            X = self._scaled(X, rows < n)
            self.spaces.append((X[:n], X[n:]))
        share = torch.linspace(0, 0.8, T).sqrt()
        Y = share * signal / signal[:n].std(0) + (1 - share**2).sqrt() * torch.randn(n_all, T, generator=rng)
        Y = self._scaled(Y, rows < n)
        self.Y, self.Y_test = Y[:n], Y[n:]
        self.alphas = np.logspace(0, 6, n_alphas)
        self.folds = np.random.default_rng(seed).permutation(np.arange(n) % folds)
        self.cv = [(np.flatnonzero(self.folds != k), np.flatnonzero(self.folds == k)) for k in range(folds)]

    def _scaled(self, values, train):
        values = (values - values[train].mean(0)) / values[train].std(0)
        return values.to(self.device).contiguous()

    def synchronise(self):
        if self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)


def solve(task, gammas):
    """The engine: position of the chosen gamma and alpha of each unit, and the test predictions."""
    cv, chosen, yhat = np.full(task.T, -np.inf), np.zeros(task.T, int), np.empty(task.Y_test.shape, np.float32)
    for i, found in enumerate(engine.solve(task.spaces, task.Y, gammas, task.alphas, task.folds, task.device)):
        better = found.cv > cv
        cv[better] = found.cv[better]
        chosen[better] = i * len(task.alphas) + np.searchsorted(task.alphas, found.alpha[better])
        yhat[:, better] = found.yhat.cpu().numpy()[:, better]
    return chosen, yhat


def ridge_peers(task):
    """name -> function that fits and predicts."""
    backends = ("torch_cuda",) if task.device.type == "cuda" else ("numpy", "torch")
    peers = {f"himalaya RidgeCV {b}": partial(_himalaya_ridge, task, b) for b in backends}
    peers |= {f"himalaya KernelRidgeCV {b}": partial(_himalaya_kernel, task, b) for b in backends}
    return peers | {"scikit-learn RidgeCV": partial(_sklearn_ridge, task)}


def banded_peers(task, gammas):
    """name -> function that fits and predicts."""
    backends = ("torch_cuda",) if task.device.type == "cuda" else ("numpy", "torch")
    return {f"himalaya MultipleKernelRidgeCV {b}": partial(_himalaya_banded, task, gammas, b) for b in backends}


def reference(task, gammas, units):
    """Every fold refitted explicitly in float64: CV R2 (n_gammas * n_alphas, n_units) and test predictions of each."""
    import torch

    Y = task.Y[:, units].double()
    cv = torch.zeros(len(gammas) * len(task.alphas), len(units), dtype=torch.float64, device=task.device)
    yhat = torch.empty(len(cv), len(task.Y_test), len(units), dtype=torch.float64, device=task.device)
    for g, gamma in enumerate(gammas):
        X, X_test = (torch.cat([w**0.5 * s[i].double() for w, s in zip(gamma, task.spaces)], 1) for i in (0, 1))
        at = slice(g * len(task.alphas), (g + 1) * len(task.alphas))
        for train, out in task.cv:
            held = Y[out]
            total = (held - held.mean(0)).square().sum(0)
            for i, prediction in enumerate(_refit(X[train], Y[train], X[out], task.alphas), at.start):
                cv[i] += (1 - (held - prediction).square().sum(0) / total) / len(task.cv)
        yhat[at] = torch.stack(list(_refit(X, Y, X_test, task.alphas)))
    return cv, yhat


def _refit(X, Y, X_out, alphas):
    import torch

    mean_x, mean_y = X.mean(0), Y.mean(0)
    l, Q = torch.linalg.eigh((X - mean_x).T @ (X - mean_x))
    C, Z = Q.T @ ((X - mean_x).T @ (Y - mean_y)), (X_out - mean_x) @ Q
    for alpha in alphas:
        yield mean_y + Z @ (C / (l.clamp_min(0)[:, None] + alpha))


def _measure(task, gammas, peers, repeats):
    seconds, found = {"": [], **{name: [] for name in peers}}, None
    solve(_sliced(task), gammas)  # imports, compiled kernels
    with warnings.catch_warnings(), np.errstate(divide="ignore"):  # himalaya takes the log of a gamma of 0
        warnings.simplefilter("ignore")
        for _ in range(repeats):
            took, found = _timed(task, partial(solve, task, gammas))
            seconds[""].append(took)
            best = min((times[0] for name, times in seconds.items() if name and times), default=np.inf)
            for name, peer in peers.items():
                if not seconds[name] or seconds[name][0] <= FAR * best:
                    seconds[name].append(_timed(task, peer)[0])
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    own = medians.pop("")
    return {
        "seconds": own,
        "peer_seconds": medians,
        "ratio": min(medians.values()) / own if medians else None,
        **_agreement(task, gammas, *found),
        **_about(task, repeats),
    }


def _agreement(task, gammas, chosen, yhat):
    """Against float64, on units spread over all strengths of signal: see the fields of `ridge`."""
    units = np.unique(np.linspace(0, task.T - 1, min(task.T, max(20, SAMPLE // len(gammas)))).astype(int))
    cv, exact = reference(task, gammas, units)
    cv, each = cv.cpu().numpy(), np.arange(len(units))
    best = cv.argmax(0)
    y = task.Y_test[:, units].cpu().numpy()
    dr = np.abs(stats.correlate(y, yhat[:, units]) - stats.correlate(y, exact[best, :, each].T.cpu().numpy()))
    return {
        "alpha_agreement": float((cv[chosen[units], each] > cv.max(0) - 1e-4).mean()),
        "same_alpha": float((chosen[units] == best).mean()),
        "max_abs_dr": float(np.nanmax(dr)),
        "mean_abs_dr": float(np.nanmean(dr)),
        "compared_units": len(units),
    }


def _about(task, repeats):
    import torch

    cuda = task.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(task.device) if cuda else f"cpu, {torch.get_num_threads()} threads",
        "n": task.n,
        "p": task.p,
        "T": task.T,
        "alphas": len(task.alphas),
        "folds": len(task.cv),
        "repeats": repeats,
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2) if cuda else None,
    }


def _timed(task, work):
    task.synchronise()
    start = time.perf_counter()
    found = work()
    task.synchronise()
    return time.perf_counter() - start, found


def _sliced(task):
    """A small part of the task, to warm up on."""
    part = object.__new__(Task)
    part.__dict__ |= task.__dict__
    part.T = min(task.T, 16)
    part.Y, part.Y_test = task.Y[:, : part.T], task.Y_test[:, : part.T]
    return part


def _arrays(task, backend):
    """The task's arrays as the backend wants them: [(X, X_test)], Y."""
    from himalaya.backend import set_backend

    asarray = set_backend(backend).asarray
    return [(asarray(X), asarray(X_test)) for X, X_test in task.spaces], asarray(task.Y)


def _batches(task):
    size = BATCHES[task.device.type]
    return {"n_targets_batch": size, "n_targets_batch_refit": size, "n_alphas_batch": 5}


def _himalaya_ridge(task, backend):
    from himalaya.ridge import RidgeCV

    [(X, X_test)], Y = _arrays(task, backend)
    RidgeCV(task.alphas, fit_intercept=True, cv=task.cv, solver_params=_batches(task)).fit(X, Y).predict(X_test)


def _himalaya_kernel(task, backend):
    from himalaya.kernel_ridge import KernelRidgeCV

    [(X, X_test)], Y = _arrays(task, backend)
    model = KernelRidgeCV(task.alphas, fit_intercept=True, cv=task.cv, solver_params=_batches(task), warn=False)
    model.fit(X, Y).predict(X_test)


def _himalaya_banded(task, gammas, backend):
    from himalaya.backend import get_backend
    from himalaya.kernel_ridge import predict_weighted_kernel_ridge, solve_multiple_kernel_ridge_random_search

    spaces, Y = _arrays(task, backend)
    stack = get_backend().stack
    deltas, dual, *_, intercept = solve_multiple_kernel_ridge_random_search(
        stack([X @ X.T for X, _ in spaces]),
        Y,
        n_iter=np.asarray(gammas, np.float32),
        alphas=task.alphas,
        fit_intercept=True,
        cv=task.cv,
        return_weights="dual",
        progress_bar=False,
        **_batches(task),
    )
    return predict_weighted_kernel_ridge(stack([X_test @ X.T for X, X_test in spaces]), dual, deltas) + intercept


def _sklearn_ridge(task):
    from sklearn.linear_model import RidgeCV

    [(X, X_test)], Y = [tuple(part.cpu().numpy() for part in task.spaces[0])], task.Y.cpu().numpy()
    for start in range(0, task.T, SKLEARN_UNITS):
        RidgeCV(task.alphas, cv=task.cv).fit(X, Y[:, start : start + SKLEARN_UNITS]).predict(X_test)


def _sizes(kind, device, *given):
    from brainalign.encoding import device as dev

    return [size or usual for size, usual in zip(given, SIZES[dev.choose(device).type][kind])]


def _chosen(peers, names):
    unknown = [name for name in names or () if name not in peers]
    if unknown:
        raise ValueError(f"no peer {unknown[0]!r}; there are {', '.join(peers)}")
    return {name: peers[name] for name in (peers if names is None else names)}


def main():
    """Command line: python -m brainalign.bench ridge|banded|all [n p T]."""
    import json
    import sys

    kind, sizes = (sys.argv[1:2] or ["all"])[0], [int(size) for size in sys.argv[2:5]]
    kinds = {"ridge": ridge, "banded": banded}
    found = {name: make(*sizes) for name, make in kinds.items() if kind in (name, "all")}
    if len(found) == 2:
        found["projection"] = projection(found["ridge"]["seconds"], found["banded"]["seconds"])
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
