"""Similarity through jobs and store, on the small study in memory, whose regions follow a layer that is known."""

import numpy as np
import pytest
import test_jobs
from scipy.spatial.distance import pdist
from scipy.stats import false_discovery_control, spearmanr
from test_jobs import LAYERS, N_TEST, SEEN, SUBJECTS, files, small, states, trials  # noqa: F401

from brainalign import jobs, nsd, rsa, store, study
from brainalign.jobs import results, similarity

TEXT = """
[study]
name = "small"
root = "root"
output = "out"
[[models]]
name = "llava-demo"
instructions = ["IC", "VQ1"]
poolings = ["mean_generated"]
[[models]]
name = "vit-demo"
[encoding]
alphas = [1, 100]
folds = 2
[statistics]
permutations = 100
draws = 100
[features]
batch_size = 40
"""
IC, VQ1 = "Generate some text to describe the image", "What is in this image?"


@pytest.fixture
def similar(small, monkeypatch):  # noqa: F811
    """The small study with a section [rsa]; every picture was seen three times."""
    monkeypatch.setattr(nsd, "image_runs", lambda root, name: 0 * SEEN[name] + 3)
    return with_rsa(small, "training_images = 50")


def with_rsa(found, text):
    found.path.write_text(f"{TEXT}\n[rsa]\n{text}\n")
    return study.load(found.path)


def scores(opened, **equal):
    return opened.rows("rsa_chosen", model="llava-demo", pooling="mean_generated", **equal)


def test_training_pictures_choose_the_planted_layer_and_test_pictures_confirm_it(similar):
    jobs.run(similar)
    with store.open_latest(jobs.publish(similar)) as opened:
        of_layers = opened.rows("rsa_scores").groupby(["subject", "model", "instruction", "pooling", "roi"]).layer
        assert of_layers.nunique().eq(len(LAYERS)).all()
        for instruction, own, other in (("IC", "V1", "FFA"), ("VQ1", "FFA", "V1")):
            right, wrong = (scores(opened, instruction=instruction, roi=roi) for roi in (own, other))
            assert (right.layer == 1).all()
            assert (right.low > 0.3).all()
            assert (right.q < 0.05).all()
            assert (wrong.high < right.low).all()
        contrasts = opened.rows("rsa_contrasts", instruction_a="IC", instruction_b="VQ1", pooling_a="mean_generated")
        assert set(contrasts.subject) == set(SUBJECTS)
        assert (contrasts[contrasts.roi == "V1"].low > 0).all()
        assert (contrasts[contrasts.roi == "FFA"].high < 0).all()
        assert (contrasts.q < 0.05).all()


def test_the_store_holds_what_plain_formulas_give(similar):
    jobs.run(similar)
    person = test_jobs.subject("subj05")
    ids = np.arange(N_TEST)
    with store.open_latest(jobs.publish(similar)) as opened:
        info, bounds = opened.info(), opened.rows("rsa_ceilings")
        assert info["rsa_distance"] == "crossnobis"
        assert list(map(int, info["rsa_pictures"].split())) == ids[similarity.shown_places(N_TEST)].tolist()
        assert set(bounds.pictures) == {N_TEST}
        assert set(bounds.training) == {50}
        assert set(bounds.roi) == {"V1", "FFA"}
        assert bounds[bounds.roi == "V1"].n.tolist() == [
            12,
            12,
        ]  # of 15: without data in a session, without and with low ncsnr
        assert (bounds.lower < bounds.upper).all()
        brain = rdms(similar)["subj05"]
        train = brain["train_ids"]
        assert (train >= N_TEST).all()
        found = trials("subj05", np.union1d(ids, train))
        shown, run, values = found.shown, found.run, found.values
        units = np.flatnonzero(person.rois["FFA"])
        sd = rsa.noise_sd(values[:, units], shown)
        expected = rsa.crossnobis(values[shown < N_TEST][:, units] / sd, shown[shown < N_TEST], run[shown < N_TEST])
        np.testing.assert_allclose(brain["test"][1], expected, rtol=1e-5)
        found = opened.rows("rsa_scores", subject="subj05", model="llava-demo", instruction="VQ1", roi="FFA")
        for row in found.itertuples():
            own = [states(some, VQ1, row.pooling)[:, row.layer] for some in (ids, train)]
            distances = pdist(own[0] / own[1].std(0), "sqeuclidean")
            assert row.rho == pytest.approx(spearmanr(distances, expected)[0], abs=2e-3)
        chosen = scores(opened, subject="subj05", instruction="VQ1")
        merged = chosen.merge(
            opened.rows("rsa_scores"), on=["subject", "model", "instruction", "pooling", "roi", "layer"]
        )
        assert (merged.rho_x == merged.rho_y).all()
        np.testing.assert_allclose(chosen.q, false_discovery_control(chosen.p), atol=2e-4)
        check_matrices(opened, rdms(similar).values())


def rdms(found):
    return {job.subject: results.read_arrays(job.path) for job in jobs.plan(found) if job.kind == "rdms"}


def check_matrices(opened, brains):
    """The matrices to look at are means of ranks."""
    mean = np.mean([rsa.ranks(brain["test"][0]) for brain in brains], axis=0)
    places = similarity.shown_places(N_TEST)
    inside = rsa.square(mean)[np.ix_(places, places)][rsa.pairs(len(places))]
    found = rsa.from_bytes(opened.rows("rsa_rdms", roi="V1").data[0])
    np.testing.assert_allclose(found, inside.argsort().argsort() / (len(inside) - 1), atol=0.01)
    model = opened.rows("rsa_rdms", model="llava-demo", instruction="IC")
    found = rsa.from_bytes(model[model.layer == 1].data.iloc[0])
    own = pdist(states(np.arange(N_TEST)[places], IC, "mean_generated")[:, 1], "sqeuclidean")
    assert spearmanr(found, own)[0] > 0.97  # states are standardised by each subject's training pictures


def test_a_study_with_results_only_does_what_is_new(small, similar):  # noqa: F811
    plain = with_rsa(small, "")
    plain.path.write_text(TEXT)
    plain = study.load(plain.path)
    jobs.run(plain)
    with store.open_latest(jobs.publish(plain)) as opened:
        assert opened.rows("rsa_scores").empty
        assert "rsa_distance" not in opened.info()
    before = files(plain)
    done = jobs.run(with_rsa(small, "training_images = 50"))
    new = [job for job in done if job.kind in ("rdms", "rsa")]
    assert [sum(job.kind == kind for job in new) for kind in ("rdms", "rsa")] == [2, 6]
    assert {path: at for path, at in files(plain).items() if path in before} == before
    again = files(plain)
    jobs.run(with_rsa(small, "training_images = 50"))
    assert files(plain) == again


def test_correlation_needs_one_trial_and_crossnobis_says_so(small, similar, monkeypatch):  # noqa: F811
    monkeypatch.setattr(nsd, "image_runs", lambda root, name: test_jobs.subject(name).repeats)
    with pytest.raises(ValueError, match=r'0 training pictures of subj0\d .* distance = "correlation"'):
        jobs.run(with_rsa(small, "training_images = 50"))
    found = with_rsa(small, 'training_images = 50\ndistance = "correlation"')
    jobs.run(found)
    with store.open_latest(jobs.publish(found)) as opened:
        assert opened.info()["rsa_distance"] == "correlation"
        right = scores(opened, instruction="IC", roi="V1")
        assert (right.layer == 1).all()
        assert (right.low > 0.1).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('distance = "crosnobis"', "unknown .rsa. distance: 'crosnobis'; did you mean 'crossnobis'"),
        ("training_images = 3", "training_images is 3, expected a whole number of at least 8"),
        ("trainingimages = 9", "did you mean 'training_images'"),
    ],
)
def test_a_wrong_entry_is_named(small, text, message):  # noqa: F811
    with pytest.raises(ValueError, match=message):
        with_rsa(small, text)
