"""Where the arithmetic runs, and the few primitives whose fastest form depends on it."""

from contextlib import contextmanager, suppress

import numpy as np

UNITS_AT_ONCE = 4096  # columns of a prediction that are squared and summed while they are in the cache
CPU_BYTES = 4 * 2**30  # what the arrays of one batch of units may take where no GPU says how much is free


class NotConverged(ArithmeticError):
    """No eigensolver found the eigenvalues of a matrix."""


def choose(device=None):
    """The torch device asked for, else the first GPU, else the processor."""
    import torch

    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def budget(device):
    """Bytes that the arrays of one batch of units may take: half of what is free."""
    import torch

    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CPU_BYTES


def to_keep(device):
    """Bytes that products may take that are kept for later fits: a quarter of a GPU's memory."""
    import torch

    return torch.cuda.mem_get_info(device)[1] // 4 if device.type == "cuda" else CPU_BYTES // 2


def gram(X):
    """X'X; on a processor through NumPy, which computes one triangle only."""
    import torch

    return X.T @ X if X.is_cuda else torch.from_numpy(X.numpy().T @ X.numpy())


def eigh(G):
    """Eigenvalues and eigenvectors of a symmetric float64 matrix, by a slower algorithm where the first fails."""
    import torch

    if G.is_cuda:
        with suppress(torch.linalg.LinAlgError):
            l, Q = torch.linalg.eigh(G)
            if l.isfinite().all():
                return l, Q
        return tuple(part.to(G.device) for part in eigh(G.cpu()))
    from scipy.linalg import LinAlgError
    from scipy.linalg import eigh as lapack_eigh

    for driver in ("evd", "ev"):
        with suppress(LinAlgError):
            found = lapack_eigh(G.numpy(), driver=driver, check_finite=False)
            if np.isfinite(found[0]).all():
                return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in found)
    raise NotConverged(f"the eigenvalues of a {tuple(G.shape)} matrix do not converge")


def with_room(make, release=None):
    """make(); where a GPU's memory runs out, once more after `release` and after freeing what nobody uses."""
    import torch

    try:
        return make()
    except torch.OutOfMemoryError:
        if release:
            release()
        torch.cuda.empty_cache()
    return make()


def rounds(device):
    """Whether `times` with `quick` rounds the factors there."""
    return device.type == "cuda"


def times(B, quick=False):
    """The function A -> A B, with B (k, m) prepared once for many A (n, k).

    On a processor oneDNN's product is used in float32: on some it is twice as fast as torch's usual library.
    quick : on a GPU, round float32 factors to TF32 (10 bits of mantissa); several times faster.
    """
    import torch

    if quick and rounds(B.device):
        return lambda A: tf32_product(A, B)
    if B.is_cuda:
        return lambda A: A @ B
    if B.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return lambda A: A @ B
    columns = B.T.contiguous().to_mkldnn()
    return lambda A: torch.nn.functional.linear(A.contiguous().to_mkldnn(), columns).to_dense()


def solve_positive(M, B, times_B):
    """M^-1 B for a positive definite M, and the smallest pivot squared (0 where M is not positive definite).

    times_B : `times(B)`. On a processor by the inverse, since two triangular solves are slower there than one product.
    """
    import torch

    L, info = torch.linalg.cholesky_ex(M)
    pivot = float(L.diagonal().min() ** 2) if not int(info) else 0.0
    if not pivot > 0:
        return None, 0.0
    return (torch.cholesky_solve(B, L) if M.is_cuda else times_B(torch.cholesky_inverse(L))), pivot


def tf32_product(A, B):
    """A B on a GPU, the factors rounded to TF32."""
    with _tf32():
        return A @ B


@contextmanager
def _tf32():
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
