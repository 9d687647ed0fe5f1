"""The bench measures all peers on the same task, and its agreement is against refits in float64."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainalign import bench
from brainalign.bench.__main__ import main

FIELDS = {"seconds", "peer_seconds", "ratio", "alpha_agreement", "max_abs_dr", "mean_abs_dr", "device", "n", "p", "T"}


def test_ridge_tells_every_field_and_agrees_with_float64():
    found = bench.ridge(n=200, p=30, T=24, n_alphas=8, repeats=1, device="cpu")
    assert set(found) >= FIELDS
    assert (found["n"], found["p"], found["T"]) == (200, 30, 24)
    assert len(found["peer_seconds"]) == 5
    assert found["ratio"] == pytest.approx(min(found["peer_seconds"].values()) / found["seconds"])
    assert found["alpha_agreement"] >= 0.995
    assert found["max_abs_dr"] <= 1e-2
    assert found["mean_abs_dr"] <= 1e-4
    json.dumps(found)


def test_banded_counts_the_corners_and_agrees_with_float64():
    found = bench.banded(n=120, p=15, T=20, n_alphas=6, n_gammas=5, repeats=1, device="cpu")
    assert set(found) >= FIELDS
    assert found["gammas"] == 5
    assert found["alpha_agreement"] >= 0.995
    assert found["mean_abs_dr"] <= 1e-4


def test_the_reference_is_ridge_refitted_in_every_fold():
    task = bench.Task(1, 80, 10, 6, 4, 3, "cpu", 0)
    cv, yhat = bench.reference(task, [[1.0]], np.arange(6))
    X, X_test = (part.double().numpy() for part in task.spaces[0])
    Y = task.Y.double().numpy()
    for i, alpha in enumerate(task.alphas):
        scores = [
            1
            - ((Y[out] - Ridge(alpha).fit(X[train], Y[train]).predict(X[out])) ** 2).sum(0) / Y[out].var(0) / len(out)
            for train, out in task.cv
        ]
        np.testing.assert_allclose(cv[i], np.mean(scores, 0), atol=1e-9)
        np.testing.assert_allclose(yhat[i], Ridge(alpha).fit(X, Y).predict(X_test), atol=1e-9)


def test_projection_counts_fits_and_the_text_tells_all():
    rows = bench.projection(1.0, 330, models=2, subjects=(4,), gpus=(1, 8))
    assert rows[0] == {"subjects": 4, "gpus": 1, "fits": 2640, "hours": 0.73}
    assert rows[1]["hours"] == 0.09
    found = {"seconds": 0.5, "peer_seconds": {"a peer": 2.0}, "ratio": 4.0, "alphas": 20, "device": "cpu"}
    found |= {"n": 1, "p": 2, "T": 3, "alpha_agreement": 0.999, "mean_abs_dr": 1e-6, "max_abs_dr": 1e-5}
    text = bench.as_text(found | {"projection": rows})
    for part in (
        "BrainAlign       0.500 s",
        "a peer           2.000 s",
        "4.0 times",
        "99.90%",
        "0.73 h on 1 such machine\n",
    ):
        assert part in text


def test_an_unknown_peer_is_told():
    with pytest.raises(ValueError, match="no peer 'cuml'"):
        bench.ridge(n=60, p=5, T=3, device="cpu", peers=["cuml"])


def test_the_module_prints_json(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "ridge", "80", "10", "6"])
    main()
    assert json.loads(capsys.readouterr().out)["ridge"]["alphas"] == 20
