"""What is to be solved: planted data on one device, and its answer in float64."""

import numpy as np


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
        """Wait for the device."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)

    def peak_gb(self):
        """Most memory of the GPU that was in use at once since this was last asked; None on a processor."""
        if self.device.type == "cuda":
            import torch

            peak = torch.cuda.max_memory_allocated(self.device) / 1e9
            torch.cuda.reset_peak_memory_stats(self.device)
            return round(peak, 2)


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
