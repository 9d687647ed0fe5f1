"""What a perfect model would reach in a region, by trials that had no say in which units stand for the region.

One noisy measure must not choose a region's units and be their ceiling too: those that are chosen look better than
they are, the more so the weaker the region, and what is divided by them comes out too small. So noise in the training
pictures chooses the units, and noise in the test pictures makes the ceiling.

The share of the variance of a unit's mean test responses that is not noise is NC = 1 - (v mean(1/n) + d) / var(y): v
the variance of a trial about the mean of its picture, n the trials of each picture, var(y) over pictures, all of test
pictures; d what a linear trend within sessions adds to var(y), which v is freed of, since trials of a picture may
follow each other closely and share it. NC is left unclipped, so that noise in it averages out over units. Against a
ceiling by NSD's ncsnr it has two merits: it is straight in v, so that noise in v makes no bias; and it is of these
very pictures and sessions, in which a region may be driven more or less than in all. A perfect model reaches sqrt(NC)
in a unit.
"""

import numpy as np

from brainalign import stats

DRAWS = 2000  # for the interval of a ceiling
SURE = 1.96  # standard errors that NC must lie above 0, else there is no ceiling to divide by


def reliable(subject, least):
    """Units that means over a region are taken over: data in every session, a noise ceiling of at least `least` %.

    That ceiling is NSD's (`stats.noise_ceiling`) with the noise of the training pictures; with `ncsnr`, which is of
    all pictures, where a subject comes without it. Returns (n_units,) bool.
    """
    ncsnr = subject.ncsnr
    if subject.train_noise is not None:
        with np.errstate(divide="ignore", invalid="ignore"):  # z-scored trials have a variance of 1
            ncsnr = np.sqrt(np.maximum(0, 1 - subject.train_noise) / subject.train_noise)
    return subject.valid.all(0) & (stats.noise_ceiling(ncsnr, subject.repeats[subject.is_test]) >= least)


class Ceilings:
    """The ceiling of the mean r in each region, over its reliable units.

    subject : Subject; masks : region -> (n_units,) bool; reliable : (n_units,) bool, as `reliable` has it
    regions : names; nc : (n_regions,) percent, the mean R2 that a perfect model would reach
    r : (n_regions,) the mean r that it would reach; both NaN where a region has no units or NC is not surely above 0
    Without `subject.scatter` both are of ncsnr, which also chose the units, and no interval is known.
    """

    def __init__(self, subject, masks, reliable):
        self.regions, units = list(masks), [np.flatnonzero(mask & reliable) for mask in masks.values()]
        if subject.scatter is None:
            nc = stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test])
            found = [
                (nc[own].mean(), np.sqrt(nc[own] / 100).mean(), 0) if len(own) else (np.nan,) * 3 for own in units
            ]
        else:
            found = [_region(subject, own) for own in units]
        self.known = subject.scatter is not None
        self.nc, self.r, self._by_picture = (np.array(part) for part in zip(*found))

    def draws(self, n, seed=0):
        """(n, n_regions) draws of `r` on test pictures drawn as `stats.bootstrap` does with this seed.

        Pictures that drive a region more raise both its r and its ceiling, so a draw of r belongs to that of the
        ceiling with the same number.
        """
        if not self.known:
            return np.broadcast_to(self.r, (n, len(self.r)))
        n_test = self._by_picture.shape[1]
        counts = np.random.default_rng(seed).multinomial(n_test, np.full(n_test, 1 / n_test), n)
        return self.r * np.exp((counts - 1) @ self._by_picture.T)

    def interval(self):
        """(lower, upper) ends of the 95 % interval of `r`, (n_regions,) each; NaN where it is not known."""
        return np.stack(stats.interval(self.draws(DRAWS))) if self.known else np.full((2, len(self.r)), np.nan)


def _region(subject, units):
    """NC in percent and the ceiling of one region, and how much each test picture adds to the ceiling's logarithm."""
    test = np.flatnonzero(subject.is_test)
    none = np.nan, np.nan, np.full(len(test), np.nan)
    repeats, freedom = subject.repeats[test], subject.repeats[test] - 1
    if not len(units) or len(test) < 3 or freedom.sum() - freedom.max() < 1:
        return none
    y, scatter = (values.take(units, 1).astype(np.float64) for values in (subject.betas[test], subject.scatter))
    y -= y.mean(0)
    v = scatter.sum(0) / freedom.sum()
    of_y = _noise_of_variance(y, v, 1 / repeats)
    of_v = ((scatter - np.outer(freedom, v)) ** 2).sum(0) / scatter.sum(0) ** 2
    trend = subject.trend[units]
    share = (np.mean(1 / repeats) * v + trend) / y.var(0, ddof=1) / (1 + of_y)  # E 1/var(y) is too high by this
    nc, noise = 1 - share.mean(), share**2 * (of_v + of_y)
    error = ((scatter - np.outer(freedom, v)) @ (share / v)) / freedom.sum() / len(units)
    error = (error**2).sum() * (of_v.mean() + of_y.mean())  # as if units had as much of both kinds in common
    if not (nc > 0 and nc**2 * of_v.mean() > SURE**2 * error):
        return none
    left = np.log(_without_each(y, scatter, repeats, trend, of_y, noise))
    by_picture = (len(test) - 1) / len(test) * (left.mean() - left)
    return 100 * nc, mean_root(1 - share, noise), by_picture


def _without_each(y, scatter, repeats, trend, of_y, noise):
    """(n_test,) the ceiling of a region without each of its test pictures."""
    n, found = len(y), np.empty(len(y))
    once, freedom = (np.sum(1 / repeats) - 1 / repeats) / (n - 1), np.sum(repeats - 1) - (repeats - 1)
    scatters, squares = scatter.sum(0), (y**2).sum(0)
    for k in range(n):
        variance = (squares - y[k] ** 2 * n / (n - 1)) / (n - 2)
        noise_in_means = once[k] * (scatters - scatter[k]) / freedom[k] + trend
        found[k] = mean_root(1 - noise_in_means / variance / (1 + of_y), noise)
    return found


def mean_root(values, noise):
    """The mean square root over units of a quantity of which only noisy values are known; NaN where it is negative.

    values : (n_units,) unbiased; noise : (n_units,) variance of the noise in them
    The mean root is that of a gamma distribution with the units' mean m and variance s, which is that of the values
    less that of their noise; to second order, for any distribution, sqrt(m) (1 - s / (8 m^2)).
    """
    m = values.mean()
    s = values.var(ddof=1) - noise.mean() if len(values) > 1 else 0
    with np.errstate(invalid="ignore"):
        return np.sqrt(m) * _root_of_gamma(max(s, 0) / m**2)


def _root_of_gamma(spread):
    """E sqrt(x) of a gamma distribution with mean 1 and variance `spread`."""
    from scipy.special import gammaln

    if spread < 1e-6:
        return 1.0
    return np.exp(gammaln(1 / spread + 0.5) - gammaln(1 / spread)) * np.sqrt(spread)


def _noise_of_variance(y, v, inverse):
    """(n_units,) squared coefficient of variation of var(y) through noise alone, were the same pictures shown again.

    y : (n_test, n_units) centred. Of a picture with signal s and Gaussian noise of variance t = v / n, s + e squared
    has the variance 2 t^2 + 4 t s^2, and y^2 is s^2 + t on average.
    """
    squares = y**2
    variance = 4 * v * (inverse @ squares) - 2 * v**2 * (inverse**2).sum()
    return np.maximum(variance, 0) / squares.sum(0) ** 2
