"""What a scanner adds to the signal, and the measure of it that NSD's files carry."""

import numpy as np


def noise_sd(n, rng):
    """(n,) percent signal change: sd of the noise of one trial."""
    return rng.lognormal(np.log(1.8), 0.3, n)


def record(signal, columns, noise_sd, rng):
    """One session's single-trial responses (n_trials, n_voxels) in percent signal change.

    signal : (n_trials, n_units), planted in the voxels `columns`; noise_sd : (n_voxels,). The session has its own
    gain, and each voxel its own mean and slow drift.
    """
    n_trials, n_voxels = len(signal), len(noise_sd)
    betas = rng.standard_normal((n_trials, n_voxels), dtype="f4")
    betas += np.linspace(-0.5, 0.5, n_trials, dtype="f4")[:, None] * rng.normal(0, 0.25, n_voxels).astype("f4")
    betas *= noise_sd
    betas[:, columns] += signal
    betas += rng.normal(0.3, 0.4, n_voxels).astype("f4")
    betas[:, columns] += rng.normal(0.8, 0.4, len(columns)).astype("f4")
    return betas * (rng.lognormal(0, 0.1) * rng.lognormal(0, 0.05, n_voxels)).astype("f4")


def standardised(betas):
    """z-scores (n_trials, n_units) within one session; NaN where a unit does not vary."""
    betas = betas - betas.mean(0)
    sd = betas.std(0, ddof=1)
    return np.divide(betas, sd, out=np.full_like(betas, np.nan), where=sd > 0)


def ncsnr_files(standard, ordering):
    """{file suffix: ncsnr} over the images with exactly three trials: all, every odd, every even one of them.

    standard : (n_trials, n_units) z-scored within session. ordering : (n_trials,) the 10k id shown, which also
    orders the images.
    """
    trials = np.argsort(ordering, kind="stable")
    trials = trials[np.bincount(ordering)[ordering[trials]] == 3].reshape(-1, 3)
    return {
        "": ncsnr(standard, trials),
        "_split1": ncsnr(standard, trials[::2]),
        "_split2": ncsnr(standard, trials[1::2]),
    }


def ncsnr(standard, trials):
    """Signal sd over noise sd, (n_units,); NaN where no image is known.

    Noise variance v is the mean over images of the unbiased variance of an image's three trials, and what is left
    of the total of 1 is signal. standard : (n_trials, n_units). trials : (n_images, 3) rows of it.
    """
    total, count = np.zeros(standard.shape[1]), np.zeros(standard.shape[1])
    for image in trials:
        variance = standard[image].var(0, ddof=1, dtype="f8")
        known = np.isfinite(variance)
        total[known] += variance[known]
        count += known
    v = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return np.sqrt(np.maximum(0, 1 - v) / v)
