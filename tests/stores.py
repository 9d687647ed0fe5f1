"""A small store with every table, for tests of pages, figures and queries: numbers by rule, quick to make."""

import json
from dataclasses import asdict
from functools import cache

import numpy as np
import pandas as pd

from brainalign import store, surface
from brainalign.tables import today

SUBJECTS = ("subj01", "subj02", "subj05")
FLOORS = {"shared": -0.004, "unique_a": -0.002, "unique_b": -0.001}  # what estimating weights adds to each part
MOVED = {"a": -0.02, "b": 0.03}  # what each part gains had both entered at the layer of a, of b
INSTRUCTIONS = ("IC", "VQ1", "IU3")
POOLINGS = ("last_prompt", "mean_generated")
LAYERS = range(4)
N_UNITS = 300
ROIS = {
    "V1": slice(0, 60),
    "FFA": slice(60, 110),
    "PPA": slice(110, 180),
    "visual cortex (nsdgeneral)": slice(0, 280),
}
ENTERS = {"IC": 2, "VQ1": 1, "IU3": 2}  # at which layer each takes part in partitions of variance
MAP = ["subject", "model", "instruction", "layer", "pooling"]


def maps():
    """(subject, model, instruction, layer, pooling) of each map, in key order; the ViT has no instruction."""
    for subject in SUBJECTS:
        for instruction in sorted(INSTRUCTIONS):
            for layer in LAYERS:
                yield from ((subject, "llava-demo", instruction, layer, pooling) for pooling in POOLINGS)
        yield from ((subject, "vit-demo", "", layer, "mean_image") for layer in LAYERS)


@cache
def scores():
    """The table `scores`: r between -0.1 and 0.8, by ROI and layer; one unit in fifty is NaN."""
    rng, frames = np.random.default_rng(0), []
    for subject, model, instruction, layer, pooling in maps():
        r = np.clip(rng.normal(0.15 + 0.05 * layer, 0.1, N_UNITS), -0.1, 0.7)
        r[ROIS["V1"] if model == "vit-demo" else ROIS["FFA"]] += 0.1
        r[::50] = np.nan
        r = np.round(r, 4)
        key = {
            "subject": subject,
            "model": model,
            "instruction": instruction,
            "layer": layer,
            "pooling": pooling,
        }
        frames.append(pd.DataFrame(key | {"unit": np.arange(N_UNITS), "r": r, "r2": np.round(np.sign(r) * r**2, 4)}))
    return pd.concat(frames, ignore_index=True).astype({"r": "f4", "r2": "f4", "layer": "u1", "unit": "u4"})


@cache
def units():
    """The table `units`: nc falls from 60 to 5 percent; the units where r is NaN are not reliable."""
    unit = np.arange(N_UNITS)
    ncsnr = np.linspace(1.2, 0.2, N_UNITS)
    frame = {
        "unit": unit,
        "place": unit * 7,
        "ncsnr": ncsnr,
        "nc": np.linspace(60, 5, N_UNITS),
        "reliable": unit % 50 > 0,
        "across_r": np.linspace(0.7, 0.1, N_UNITS),
        "across_r2": np.linspace(0.5, 0.0, N_UNITS),
    }
    return pd.concat([pd.DataFrame({"subject": subject} | frame) for subject in SUBJECTS], ignore_index=True)


@cache
def variance():
    """The table `variance`: captioning with each other instruction; some parts are negative."""
    rng, frames = np.random.default_rng(1), []
    for subject in SUBJECTS:
        for b in sorted(set(INSTRUCTIONS) - {"IC"}):
            r2_a, r2_b, extra = (
                rng.uniform(0, 0.3, N_UNITS),
                rng.uniform(0, 0.3, N_UNITS),
                rng.normal(0.05, 0.05, N_UNITS),
            )
            r2_ab = np.maximum(r2_a, r2_b) + extra
            parts = {"shared": r2_a + r2_b - r2_ab, "unique_a": r2_ab - r2_b, "unique_b": r2_ab - r2_a}
            key = {"subject": subject, "model": "llava-demo", "pooling": "mean_generated"}
            key |= {"layer_a": ENTERS["IC"], "layer_b": ENTERS[b]}
            key |= {"a": "IC", "b": b, "unit": np.arange(N_UNITS), "r2_a": r2_a, "r2_b": r2_b, "r2_ab": r2_ab}
            frames.append(pd.DataFrame(key | parts))
    return pd.concat(frames, ignore_index=True)


@cache
def nested():
    """The table `nested`: layer 2 in even units and 3 in odd ones; significant where r is above 0.3."""
    found = scores()
    found = found[found.layer == 2 + found.unit % 2].sort_values([*MAP[:3], "pooling", "unit"])
    found = found.assign(r_low=found.r - 0.1, r_high=found.r + 0.1, p=np.where(found.r > 0.3, 0.001, 0.4))
    return found.assign(q=np.where(found.r.isna(), np.nan, 2 * found.p), p=found.p.where(found.r.notna()))


def _nested_rows():
    def summary(groups):
        means = groups.agg(n=("r", "count"), layer=("layer", "median"), r=("r", "mean"), r2=("r2", "mean"))
        means["nc_mean"], means["r_ceiling"] = 30.0, np.sqrt(0.3)
        means["r_ceiling_low"], means["r_ceiling_high"] = 0.5, 0.6
        means["r_norm"] = means.r / np.sqrt(0.3)
        means["significant"] = groups.q.agg(lambda q: (q < 0.05).mean())
        ends = {
            f"{s}_{end}": means[s] + d for s in ("r", "r_norm", "r2") for end, d in (("low", -0.05), ("high", 0.05))
        }
        return means.assign(**ends)

    return _roi_rows(nested(), [*MAP[:3], "pooling"], summary)


def _contrasts():
    """Every instruction with the next and with the ViT: IC is better in FFA and no different elsewhere."""
    rows = []
    for subject in SUBJECTS:
        for a, b in (("IC", "VQ1"), ("VQ1", "IU3"), ("IC", "IU3")):
            for roi in ROIS:
                better = 0.1 if (a, roi) == ("IC", "FFA") else 0.01
                rows.append(
                    (subject, "llava-demo", a, "mean_generated", "llava-demo", b, "mean_generated", roi, better)
                )
            rows.append((subject, "llava-demo", a, "mean_generated", "vit-demo", "", "mean_image", "FFA", 0.2))
        rows.append((subject, "llava-demo", "IC", "mean_generated", *rows[-1][1:4], "high - early", 0.15))
    names = [f"{name}_{side}" for side in "ab" for name in ("model", "instruction", "pooling")]
    frame = pd.DataFrame(rows, columns=["subject", *names, "roi", "difference"])
    p = np.where(frame.difference > 0.05, 0.002, 0.5)
    return frame.assign(low=frame.difference - 0.04, high=frame.difference + 0.04, p=p, q=p)


def _reliability():
    """Winners among instructions agree somewhat between two halves of the images, in subj05 no more than by chance."""
    key = {"among": "instructions", "model": "llava-demo", "instruction": "", "pooling": "mean_generated"}
    rows = [
        {"subject": subject}
        | key
        | {"maps": 3, "units": 294, "kappa": kappa, "ami": kappa / 3, "chance": 0.06, "p": p}
        for subject, kappa, p in zip(SUBJECTS, (0.31, 0.28, 0.02), (0.0099, 0.0099, 0.4))
    ]
    return pd.DataFrame(rows)


def _uniques():
    """The table `uniques`: IC explains 0.05 that no other instruction does, the others nothing."""
    frames = []
    for subject in SUBJECTS:
        for i in sorted(INSTRUCTIONS):
            own = np.where(i == "IC", 0.05, -0.001) + np.linspace(-0.02, 0.02, N_UNITS)
            key = {"subject": subject, "model": "llava-demo", "layer": ENTERS[i], "pooling": "mean_generated"}
            key |= {"instruction": i, "unit": np.arange(N_UNITS), "unique_r2": own}
            frames.append(pd.DataFrame(key))
    return pd.concat(frames, ignore_index=True)


def _unique_rows():
    def summary(groups):
        means = groups.agg(n=("unit", "size"), unique_r2=("unique_r2", "mean"))
        negative = groups.unique_r2.agg(lambda values: (values < 0).mean())
        known = means.unique_r2 + 0.002
        ends = {"floor": -0.002, "low": known - 0.01, "high": known + 0.01, "p": np.where(known > 0.03, 0.002, 0.5)}
        return means.assign(r2_all=0.3 + means.unique_r2, r2_others=0.3, negative=negative, **ends)

    return _roi_rows(_uniques(), ["subject", "model", "pooling", "instruction", "layer"], summary)


def _triples():
    """The table `roi_triples`: captioning, VQ1 and IU3; what all share is the most, one part is negative."""
    parts = {"unique_a": 0.05, "unique_b": 0.03, "unique_c": -0.01, "shared_ab": 0.04, "shared_ac": 0.02}
    parts |= {"shared_bc": 0.01, "shared_abc": 0.1}
    key = {"model": "llava-demo", "pooling": "mean_generated", "a": "IC", "b": "VQ1", "c": "IU3"}
    key |= {f"layer_{side}": ENTERS[key[side]] for side in "abc"}
    rows = [
        {"subject": s, **key, "roi": roi, "n": 50, "n_all": 60, "part": part, "value": value}
        for s in SUBJECTS
        for roi in ROIS
        for part, value in parts.items()
    ]
    frame = pd.DataFrame(rows)
    known = frame.value + 0.003
    tested = {"floor": -0.003, "low": known - 0.01, "high": known + 0.01, "p": np.where(known > 0.04, 0.002, 0.5)}
    return frame.assign(**tested, negative=np.where(frame.value < 0, 0.6, 0.1))


RSA_PICTURES = (0, 3, 6, 12, 21, 27)


def rsa_rho(subject, instruction, layer, roi):
    """Similarity rises with the layer; of IC it is higher in FFA."""
    return 0.1 + 0.05 * layer + 0.2 * ((instruction, roi) == ("IC", "FFA")) + 0.01 * SUBJECTS.index(subject)


def _rsa():
    """The tables of similarity: V1 chooses layer 2, the others layer 3; matrices of six pictures by rule."""
    rows = [(*key, roi, rsa_rho(key[0], key[2], key[3], roi)) for key in maps() for roi in sorted(ROIS)]
    scores = pd.DataFrame(rows, columns=[*MAP, "roi", "rho"])
    chosen = scores[scores.layer == np.where(scores.roi == "V1", 2, 3)].sort_values([*MAP[:3], "pooling", "roi"])
    p = np.where(chosen.rho > 0.3, 0.002, 0.5)
    chosen = chosen.assign(low=chosen.rho - 0.05, high=chosen.rho + 0.05, p=p, q=p)
    n = {roi: len(range(*part.indices(N_UNITS))) for roi, part in ROIS.items()}
    ceilings = [{"subject": s, "roi": roi, "n": n[roi] - 2, "n_all": n[roi]} for s in SUBJECTS for roi in sorted(ROIS)]
    ceilings = pd.DataFrame(ceilings).assign(pictures=10, training=20, lower=0.5, upper=0.7)
    rng, sets = np.random.default_rng(6), scores[["model", "instruction", "pooling"]].drop_duplicates()
    brain = pd.DataFrame({"roi": list(ROIS), "model": "", "instruction": "", "pooling": "", "layer": -1})
    model = sets.assign(roi="").merge(pd.DataFrame({"layer": [2, 3]}), how="cross")
    rdms = pd.concat([brain, model], ignore_index=True)
    rdms["data"] = [rng.permutation(np.linspace(0, 255, 15).astype(np.uint8)).tobytes() for _ in range(len(rdms))]
    found = {"rsa_scores": scores, "rsa_chosen": chosen, "rsa_ceilings": ceilings, "rsa_rdms": rdms}
    return {name: [frame] for name, frame in found.items()} | {"rsa_contrasts": [_contrasts().drop(columns="p")]}


DIMS = 8


def readout():
    """Weights of subj01 for states of 8 dimensions at layer 2: (centre, into, out, bias)."""
    rng = np.random.default_rng(3)
    shapes = (DIMS,), (DIMS, 2), (2, N_UNITS), (N_UNITS,)
    return [rng.normal(size=shape).astype(np.float16).astype(np.float32) for shape in shapes]


def responses():
    """Measured responses of subj01 to the shared pictures: {image_id: (n_units,)}."""
    rng = np.random.default_rng(4)
    return {image_id: rng.normal(size=N_UNITS).astype(np.float16) for image_id in range(0, 30, 3)}


def _weights():
    centre, into, out, bias = readout()
    about = {"subject": "subj01", "model": "llava-demo", "instruction": "IC", "pooling": "mean_generated"}
    row = about | {"layer": 2, "rank": 2, "kept": 0.99, "centre": centre.tobytes(), "bias": bias.tobytes()}
    halves = {"into_rank": into.astype("<f2").tobytes(), "out_of_rank": out.astype("<f2").tobytes()}
    return pd.DataFrame([row | halves])


def _roi_rows(frame, keys, summary):
    """One row a map and ROI from a table with one row a unit."""
    reliable = units().drop_duplicates("unit").set_index("unit").reliable
    rows = []
    for name, inside in ROIS.items():
        n_all = len(range(*inside.indices(N_UNITS)))
        part = frame[frame.unit.isin(range(*inside.indices(N_UNITS))) & frame.unit.map(reliable)]
        rows.append(summary(part.groupby(keys)).reset_index().assign(roi=name, n_all=n_all))
    return pd.concat(rows, ignore_index=True).sort_values([*keys, "roi"])


def _score_summary(groups):
    nc = units().drop_duplicates("unit").set_index("unit").nc
    means = groups.agg(n=("unit", "size"), r_mean=("r", "mean"), r_median=("r", "median"), r2_mean=("r2", "mean"))
    means["nc_mean"] = groups.unit.apply(lambda unit: nc[unit].mean())
    means["r_ceiling"] = groups.unit.apply(lambda unit: np.sqrt(nc[unit] / 100).mean())
    means["r_ceiling_low"], means["r_ceiling_high"] = means.r_ceiling - 0.05, means.r_ceiling + 0.04
    means["r_norm_mean"] = means.r_mean / means.r_ceiling
    return means


def _variance_summary(groups):
    parts = ["shared", "unique_a", "unique_b"]
    means = groups[["r2_a", "r2_b", "r2_ab", *parts]].mean()
    negative = groups[parts].agg(lambda values: (values < 0).mean()).add_suffix("_negative")
    known = {p: means[p] - FLOORS[p] for p in parts}
    ends = {f"{p}_{end}": known[p] + d for p in parts for end, d in (("low", -0.01), ("high", 0.01))}
    ends |= {f"{p}_floor": FLOORS[p] for p in parts}
    ends |= {f"{p}_p": np.where(known[p] > 0.1, 0.002, 0.5) for p in parts}
    moved = {f"{p}_at_{side}": known[p] + shift for p in parts for side, shift in MOVED.items()}
    return pd.concat([means, negative, groups.size().rename("n")], axis=1).assign(**ends, **moved)


def _swapped(pairs):
    """The same pairs with a and b exchanged."""
    ends = ("", "_floor", "_low", "_high", "_p", "_negative")
    there = [("a", "b"), ("layer_a", "layer_b"), ("r2_a", "r2_b"), ("shared_at_a", "shared_at_b")]
    there += [("unique_a_at_a", "unique_b_at_b"), ("unique_a_at_b", "unique_b_at_a")]
    there += [(f"unique_a{end}", f"unique_b{end}") for end in ends]
    return pairs.rename(columns=dict(there) | {b: a for a, b in there})


def _flat_units(k):
    """Units in patches around both occipital poles; most of cortex shows nothing."""
    vertex = np.full(surface.N_VERTICES, -1, "<i4")
    shown = np.arange(k, surface.N_VERTICES, 4)
    vertex[shown] = np.arange(len(shown)) * N_UNITS // len(shown)
    return vertex.tobytes()


def tables():
    """Every table of the tiny store: {name: [frames]}; a new dictionary each time, to change as a test needs."""
    return dict(_tables())


@cache
def _tables():
    keys, known = ["subject", "model", "instruction", "layer", "pooling"], today()
    pair = ["subject", "model", "pooling", "a", "b", "layer_a", "layer_b"]
    pairs = _roi_rows(variance(), pair, _variance_summary)
    geometry = surface.flat_geometry(256, 128)
    flat = {"hash": geometry.hash, "width": geometry.width, "height": geometry.height}
    images = pd.DataFrame({"image_id": np.arange(0, 120, 3)})
    images["shared"] = images.image_id < 30
    images["subjects"] = np.where(images.shared, " ".join(SUBJECTS), "subj01")
    images["coco_id"] = pd.array([None] * len(images), "Int32")
    inside = [{"roi": roi, "unit": unit} for roi, part in ROIS.items() for unit in range(*part.indices(N_UNITS))]
    answers = [
        {
            "model": "llava-demo",
            "instruction": i,
            "image_id": int(k),
            "answer": f"{i}: a dog <b>and</b> {k} cats",
        }
        for i in INSTRUCTIONS
        for k in images.image_id
    ]
    runs = pd.DataFrame([key[:3] for key in maps()], columns=keys[:3]).drop_duplicates()
    runs = runs.assign(job=[f"{k:016x}" for k in range(len(runs))], kind="encode", seconds=1.5, warnings="")
    runs = runs.assign(created="2026-01-01T00:00:00+00:00", versions=json.dumps({"numpy": "2.0", "prompt": "..."}))
    people = pd.DataFrame({"subject": SUBJECTS, "sessions": [3, 2, 3], "images": 40, "test_images": 10})
    models = pd.DataFrame(
        {
            "model": ["llava-demo", "vit-demo"],
            "kind": ["multimodal", "vision"],
            "tuned": [True, False],
            "base": "",
            "control": "",
            "of": "",
            "parameters": [8_000_000, 1_300_000],
            "note": ["a small LLaVA", "a small ViT"],
        }
    )
    asked = pd.DataFrame([asdict(known.instructions[id]) for id in INSTRUCTIONS])
    prompts = asked.rename(columns={"id": "instruction", "text": "prompt"}).assign(model="llava-demo")
    prompts["sent"] = [f"USER: <image>\n{text} ASSISTANT:" for text in prompts.prompt]
    regions = [asdict(roi) | {"roi": roi.name, "labels": "|".join(roi.labels)} for roi in known.regions.values()]
    shares = [
        {"model": "llava-demo", "layer": layer, "pooling": pooling, "images": 40, "picture": 0.7 - 0.1 * layer}
        for pooling in POOLINGS
        for layer in LAYERS
    ]
    shares = pd.DataFrame(shares).assign(instruction=0.2, together=lambda rows: 0.8 - rows.picture)
    return {
        "models": [models],
        "instructions": [asked],
        "regions": [pd.DataFrame(regions)],
        "prompts": [prompts],
        "shares": [shares],
        "scores": [scores()],
        "units": [units()],
        "unit_rois": [pd.DataFrame(inside).assign(subject=subject) for subject in SUBJECTS],
        "roi_scores": [_roi_rows(scores(), keys, _score_summary)],
        "nested": [nested()],
        "roi_nested": [_nested_rows()],
        "roi_contrasts": [_contrasts()],
        "winner_reliability": [_reliability()],
        "uniques": [_uniques()],
        "roi_uniques": [_unique_rows()],
        "roi_triples": [_triples()],
        "variance": [variance()],
        "roi_variance": [pairs, _swapped(pairs)],
        **_rsa(),
        "weights": [_weights()],
        "responses": [
            pd.DataFrame([{"subject": "subj01", "image_id": k, "data": r.tobytes()} for k, r in responses().items()])
        ],
        "images": [images],
        "answers": [pd.DataFrame(answers)],
        "geometry": [pd.DataFrame([flat | {"data": surface.to_bytes(geometry)}])],
        "flat_units": [pd.DataFrame([{"subject": s, "data": _flat_units(k)} for k, s in enumerate(SUBJECTS)])],
        "runs": [runs],
        "subjects": [people.assign(units=N_UNITS, repeats_mean=2.5)],
    }


def info(**changes):
    """The table `store` of the tiny store."""
    values = {"simulated": "true", "study_name": "tiny", "study_toml": '[study]\nname = "tiny"\n'}
    values |= {"rsa_distance": "crossnobis", "rsa_pictures": " ".join(map(str, RSA_PICTURES))}
    return values | {"stimuli": "demo:0", "space": "func1pt8mm", "solver": "himalaya", "min_nc": "10"} | changes


def tiny_store(directory, **changes):
    """Write the tiny store into a directory and return the path of its .duckdb file.

    changes : entries of its table `store` that should differ, such as simulated="false"
    """
    return store.write(directory, tables(), info(**changes))
