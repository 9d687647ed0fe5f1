"""The bench measures all peers on the same task, and its agreement is against refits in float64."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainalign import bench
from brainalign.bench import engine, peers
from brainalign.bench.__main__ import main
from brainalign.bench.task import Task, reference

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
    assert [name.split()[1] for name in found["peer_seconds"]] == ["MultipleKernelRidgeCV"] * 2 + ["GroupRidgeCV"]
    assert found["alpha_agreement"] >= 0.995
    assert found["mean_abs_dr"] <= 1e-4


def test_the_reference_is_ridge_refitted_in_every_fold():
    task = Task(1, 80, 10, 6, 4, 3, "cpu", 0)
    cv, yhat = reference(task, [[1.0]], np.arange(6))
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


def test_a_peer_that_stops_is_told_and_the_others_are_measured(monkeypatch):
    real = peers.ridge_peers

    def with_a_failure(task):
        def fails():
            if task.n > 60:  # not while warming up
                raise MemoryError("no room\nat all")

        return real(task) | {"broken": fails}

    monkeypatch.setattr(engine, "ridge_peers", with_a_failure)
    found = bench.ridge(n=80, p=6, T=4, repeats=2, device="cpu", peers=["broken", "himalaya RidgeCV numpy"])
    assert found["failed"] == {"broken": "MemoryError: no room"}
    assert list(found["peer_seconds"]) == ["himalaya RidgeCV numpy"]
    assert "broken                  stopped: MemoryError: no room" in bench.as_text(found)


def test_peers_that_take_hours_are_left_out_unless_named():
    small, large = (SimpleNamespace(n=n, p=p, T=T) for n, p, T in ((1800, 820, 600), (9000, 4096, 15_724)))
    for name, slow in (
        ("himalaya GroupRidgeCV torch", True),
        ("scikit-learn RidgeCV", True),
        ("himalaya RidgeCV", False),
    ):
        assert peers.bearable(name, small)
        assert peers.bearable(name, large) is not slow


def test_a_study_is_fits_and_pairs():
    rows = bench.study(0.5, 6.0)
    assert [(row["subjects"], row["gpus"]) for row in rows] == [(4, 1), (4, 8), (8, 1), (8, 8)]
    assert rows[0] == {"subjects": 4, "gpus": 1, "fits": 4 * 4 * 330, "pairs": 4 * 4 * 45, "hours": 0.73 + 1.2}


def test_all_benches_need_torch_numpy_scikit_learn_and_himalaya_alone():
    """Whatever else is installed is hidden from them."""
    code = """
import sys
others = {"accelerate", "click", "duckdb", "h5py", "matplotlib", "nibabel", "nilearn", "pandas", "PIL", "plotly",
          "pyarrow", "rich", "safetensors", "streamlit", "tokenizers", "transformers", "typer", "hypothesis", "pytest"}
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in others:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from brainalign.bench.__main__ import main
sys.argv = ["bench", "all", "60", "5", "4"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found) == {"ridge", "banded", "study"}
    assert not found["ridge"]["failed"]
    assert not found["banded"]["failed"]
