"""The slow drift of the noise within a run, which pictures shown near one another in time have in common."""

import numpy as np

# of the polynomial that is taken out of each run: a random walk of a twelfth of the variance, the same in 400 units of
# four subjects, then leaves .009 of an agreement of .73 of their matrices; a line leaves .016, and a cubic .005
DEGREE = 2


def remove(session, runs, degree=DEGREE):
    """Takes each unit's polynomial of the trials' number out of each run of (n_trials, n_units), by least squares.

    All subjects see NSD's pictures in one order. What drifts in the course of a run, in the scanner or the person, is
    therefore alike for the same pictures in all of them, and would pass for something that the pictures evoke.

    session : changed in place
    runs : (n_runs,) trials of each run, one after the other. A column with a NaN becomes NaN in that run.
    """
    for rows in np.split(session, np.cumsum(runs)[:-1]):
        powers = np.vander(np.linspace(-1, 1, len(rows)), degree + 1)
        basis = np.linalg.qr(powers)[0].astype(session.dtype)
        rows -= basis @ (basis.T @ rows)
