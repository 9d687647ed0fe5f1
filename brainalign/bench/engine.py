"""How fast the encoding engine is beside its peers, measured in one run, and how well it agrees with float64.

Every solver gets the same arrays, already on its device, and has the same to do: choose alpha for each unit by K-fold
cross-validation, refit, predict the test images. Rounds are interleaved; a figure is the median of its rounds. Peers
that are far behind in the first round are not measured again.
"""

import time
import warnings
from functools import partial

import numpy as np

from brainalign import stats
from brainalign.bench.peers import banded_peers, bearable, ridge_peers
from brainalign.bench.projection import INSTRUCTIONS, LAYERS, PAIRS, projection
from brainalign.bench.task import Task, reference
from brainalign.encoding import gamma_grid
from brainalign.encoding import ridge as engine

FAR = 1.5  # times the seconds of the fastest peer
SAMPLE = 500  # units for which the float64 reference scores every alpha
SIZES = {"cpu": {"ridge": (1800, 820, 600), "banded": (1200, 400, 600)}}
SIZES["cuda"] = {"ridge": (9000, 4096, 15_724), "banded": (9000, 4096, 15_724)}


def ridge(n=None, p=None, T=None, n_alphas=20, folds=5, repeats=3, device=None, peers=None, seed=0):
    """One feature space: the engine against himalaya's RidgeCV and KernelRidgeCV and scikit-learn's RidgeCV.

    n, p, T : training images, dimensions, units; None: a size that suits the device
    peers : names to measure, as in `ridge_peers`; None: all
    Returns a dict: seconds, peer_seconds (name -> seconds), ratio (fastest peer / engine), sizes, device, and against
    refits in float64: alpha_agreement (share of units whose choice scores within 1e-4 of the best in
    cross-validation), same_alpha, max_abs_dr and mean_abs_dr (test r); projection: see there; failed: peers that
    stopped, and why.
    """
    task = Task(1, *_sizes("ridge", device, n, p, T), n_alphas, folds, device, seed)
    found = _measure(task, [[1.0]], ridge_peers, peers, repeats)
    return found | {"projection": projection(found["seconds"], INSTRUCTIONS * LAYERS)}


def banded(n=None, p=None, T=None, n_alphas=20, folds=5, n_gammas=9, repeats=3, device=None, peers=None, seed=0):
    """Two feature spaces of p dimensions on a grid of gammas with both corners: against himalaya's banded solvers.

    Its group solver takes part where a size is bearable, or where `peers` names it. Returns what `ridge` returns, and
    seconds_a_gamma.
    """
    task = Task(2, *_sizes("banded", device, n, p, T), n_alphas, folds, device, seed)
    gammas = gamma_grid(2, n_gammas - 2)
    found = _measure(task, gammas, partial(banded_peers, gammas=gammas), peers, repeats)
    more = {"gammas": len(gammas), "seconds_a_gamma": found["seconds"] / len(gammas)}
    return found | more | {"projection": projection(found["seconds"], PAIRS)}


def solve(task, gammas):
    """The engine: position of the chosen gamma and alpha of each unit, and the test predictions, on the device."""
    import torch

    cv, chosen, yhat = np.full(task.T, -np.inf), np.zeros(task.T, int), None
    for i, found in enumerate(engine.solve(task.spaces, task.Y, gammas, task.alphas, task.folds, task.device)):
        better = found.cv > cv
        cv[better] = found.cv[better]
        chosen[better] = i * len(task.alphas) + np.searchsorted(task.alphas, found.alpha[better])
        yhat = torch.where(torch.as_tensor(better).to(task.device), found.yhat, found.yhat if yhat is None else yhat)
    return chosen, yhat


def _measure(task, gammas, make_peers, names, repeats):
    peers = _chosen(make_peers(task), names, task)
    seconds, found, failed = {"": [], **{name: [] for name in peers}}, None, {}
    with warnings.catch_warnings(), np.errstate(divide="ignore"):  # himalaya takes the log of a gamma of 0
        warnings.simplefilter("ignore")
        _warm_up(task, gammas, make_peers, peers)
        for _ in range(repeats):
            took, found, peak = _timed(task, partial(solve, task, gammas))
            seconds[""].append(took)
            best = min((times[0] for name, times in seconds.items() if name and times), default=np.inf)
            for name, peer in peers.items():
                if name in failed or (seconds[name] and seconds[name][0] > FAR * best):
                    continue
                try:
                    seconds[name].append(_timed(task, peer)[0])
                except Exception as error:  # such as no memory: told, and the bench goes on
                    failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    for name in failed:
        del seconds[name]
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    own = medians.pop("")
    return {
        "seconds": own,
        "peer_seconds": medians,
        "ratio": min(medians.values()) / own if medians else None,
        **_agreement(task, gammas, *found),
        **_about(task, repeats),
        "peak_gb": peak,
        "failed": failed,
    }


def _agreement(task, gammas, chosen, yhat):
    """Against float64, on units spread over all strengths of signal: see the fields of `ridge`."""
    units = np.unique(np.linspace(0, task.T - 1, min(task.T, max(20, SAMPLE // len(gammas)))).astype(int))
    cv, exact = reference(task, gammas, units)
    cv, yhat, each = cv.cpu().numpy(), yhat.cpu().numpy(), np.arange(len(units))
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
    }


def _warm_up(task, gammas, make_peers, names):
    """Every solver once on a small task: imports, handles, compiled kernels."""
    small = Task(len(task.spaces), 60, 8, 4, 3, 3, task.device, 0)
    solve(small, gammas)
    for name, peer in make_peers(small).items():
        if name in names:
            peer()


def _timed(task, work):
    task.synchronise()
    start = time.perf_counter()
    found = work()
    task.synchronise()
    return time.perf_counter() - start, found, task.peak_gb()


def _sizes(kind, device, *given):
    from brainalign.encoding import device as dev

    return [size or usual for size, usual in zip(given, SIZES[dev.choose(device).type][kind])]


def _chosen(peers, names, task):
    unknown = [name for name in names or () if name not in peers]
    if unknown:
        raise ValueError(f"no peer {unknown[0]!r}; there are {', '.join(peers)}")
    return {name: peer for name, peer in peers.items() if (bearable(name, task) if names is None else name in names)}
