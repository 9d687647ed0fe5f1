"""The same task by other packages: functions that choose alpha, fit and predict."""

from functools import partial

import numpy as np

BATCHES = {"cpu": 500, "cuda": 4000}  # himalaya's n_targets_batch: measured best of 200, 500, 1000 and all
SKLEARN_UNITS = 1000  # scikit-learn chooses one alpha for a batch of units


def ridge_peers(task):
    """name -> function that fits and predicts."""
    backends = ("torch_cuda",) if task.device.type == "cuda" else ("numpy", "torch")
    peers = {f"himalaya RidgeCV {b}": partial(_himalaya_ridge, task, b) for b in backends}
    peers |= {f"himalaya KernelRidgeCV {b}": partial(_himalaya_kernel, task, b) for b in backends}
    return peers | {"scikit-learn RidgeCV": partial(_sklearn_ridge, task)}


def banded_peers(task, gammas):
    """name -> function that fits and predicts."""
    backends = ("torch_cuda",) if task.device.type == "cuda" else ("numpy", "torch")
    peers = {f"himalaya MultipleKernelRidgeCV {b}": partial(_himalaya_banded, task, gammas, b) for b in backends}
    return peers | {f"himalaya GroupRidgeCV {b}": partial(_himalaya_group, task, gammas, b) for b in backends[-1:]}


def bearable(name, task):
    """Whether a peer finishes within minutes: two are too slow for large tasks."""
    slow = "GroupRidgeCV" in name or "scikit-learn" in name
    return not slow or task.n * task.p * task.T <= 2e10


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


def _himalaya_group(task, gammas, backend):
    import torch
    from himalaya.ridge import solve_group_ridge_random_search

    spaces, Y = _arrays(task, backend)
    _, weights, _, intercept = solve_group_ridge_random_search(
        [X for X, _ in spaces],
        Y,
        n_iter=np.maximum(np.asarray(gammas, np.float32), 1e-6),  # with an exact 0 it gives NaN
        alphas=task.alphas,
        fit_intercept=True,
        cv=task.cv,
        return_weights=True,
        progress_bar=False,
        **_batches(task),
    )
    return torch.cat([X_test for _, X_test in spaces], 1) @ weights + intercept


def _sklearn_ridge(task):
    from sklearn.linear_model import RidgeCV

    [(X, X_test)], Y = [tuple(part.cpu().numpy() for part in task.spaces[0])], task.Y.cpu().numpy()
    for start in range(0, task.T, SKLEARN_UNITS):
        RidgeCV(task.alphas, cv=task.cv).fit(X, Y[:, start : start + SKLEARN_UNITS]).predict(X_test)
