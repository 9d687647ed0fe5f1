"""Result files -> a version of the store."""

import json
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from brainalign import features, models, nsd, store, surface, tables
from brainalign.jobs import geometry, partitions, results, significance, winners
from brainalign.jobs.frames import DECIMALS, areas, ceilings, labelled, mean, rounded_means
from brainalign.jobs.nested import MIN_NC
from brainalign.jobs.planning import plan
from brainalign.store import warned
from brainalign.store.schema import columns

KINDS = ("across", "encode", "pair", "alike", "triple", "unique", "weights", "rdms", "rsa")


def publish(study, partial=False):
    """Write a version of the study's store and switch LATEST to it; returns its path.

    partial : publish what is done although jobs are missing
    """
    jobs = plan(study)
    missing = [job for job in jobs if not job.done]
    if missing and not partial:
        names = ", ".join(str(job) for job in missing[:5]) + (", ..." if len(missing) > 5 else "")
        command = f"brainalign run {study.path}"
        raise ValueError(f"{len(missing)} of {len(jobs)} jobs are not done: {names}; `{command}` does them")
    done = sorted((job for job in jobs if job.done), key=lambda j: (j.subject, j.model, j.instruction))
    if not any(job.kind == "encode" for job in done):
        raise ValueError(f"nothing to publish: no scores yet; `brainalign run {study.path}` makes them")
    return store.write(study.store, _tables(study, done), _info(study, done) | geometry.info(study, done))


def warnings(jobs):
    """What jobs that are done warned of, each once: a list of lines."""
    rows = warned.merged(_runs([job for job in jobs if job.done])).itertuples()
    return [f"{row.kinds} ({row.jobs} {'jobs' if row.jobs > 1 else 'job'}): {row.warning}" for row in rows]


def _info(study, jobs):
    """The table `store`, but for what `store.write` and `geometry.info` add."""
    manifest = nsd.simulated(study.root)
    stimuli = f"root:{study.root.resolve()}" if manifest is None else f"demo:{manifest['seed']}"
    return {
        "simulated": "false" if manifest is None else "true",
        "study_name": study.name,
        "study_toml": study.text,
        "stimuli": stimuli,
        "space": study.space,
        "solver": study.encoding.solver,
        "decimals": str(DECIMALS),
        "min_nc": f"{MIN_NC:g}",
        "pixels": str(study.features.pixels),
        "trend_degree": str(nsd.DEGREE),
    } | _across(next((job for job in jobs if job.kind == "across"), None))


def _across(job):
    """How many pictures the cross-subject ceilings are of, the same for all subjects."""
    return {"across_images": str(results.read_about(job.path)["images"])} if job else {}


def _tables(study, jobs):
    """{table: iterable of frames}; the long tables one job at a time, in key order."""
    people = {job.subject: results.read_arrays(job.path) for job in jobs if job.kind == "subject"}
    of = {kind: [job for job in jobs if job.kind == kind and job.subject in people] for kind in KINDS}
    spaces = [job for job in jobs if job.kind == "features"]
    across = {job.subject: results.read_table(job.path) for job in of["across"]}
    anchor = study.variance.anchor if study.variance else ""
    alike = {(job.subject, tuple(job.inputs["instructions"])): job for job in of["alike"]}
    mapped = sorted((job for job in of["pair"] if job.inputs["instructions"][0] == anchor), key=partitions.key)

    def each(kind, make):
        """One frame a job, which needs what is known of its subject."""
        return (make(job, people[job.subject]) for job in of[kind])

    return {
        "models": [_models(study)],
        "instructions": [_instructions(study)],
        "regions": [_regions()],
        "prompts": [_prompts(spaces)],
        "shares": (_shares(job) for job in jobs if job.kind == "shares"),
        "scores": (_scores(job) for job in of["encode"]),
        "units": [_units(name, person, across.get(name)) for name, person in people.items()],
        "unit_rois": [_unit_rois(name, person) for name, person in people.items()],
        "roi_scores": each("encode", _roi_scores),
        "nested": chain.from_iterable(each("encode", significance.nested)),
        "roi_nested": each("encode", significance.roi_nested),
        "roi_contrasts": (_contrasts(of["encode"], name, person) for name, person in people.items()),
        "winner_reliability": winners.tables(of["encode"], people),
        "variance": (partitions.pair(job) for job in mapped),
        "roi_variance": (
            partitions.roi_pair(job, people[job.subject], alike.get((job.subject, tuple(job.inputs["instructions"]))))
            for job in of["pair"]
        ),
        "roi_triples": each("triple", partitions.roi_triple),
        "uniques": chain.from_iterable(partitions.uniques(job) for job in of["unique"]),
        "roi_uniques": each("unique", partitions.roi_uniques),
        **geometry.tables(of["rdms"], of["rsa"]),
        "weights": (_weights(job) for job in of["weights"]),
        "responses": (_responses(job) for job in {job.subject: job for job in of["weights"]}.values()),
        "images": [_images(people, nsd.coco_ids(study.root))],
        "answers": (_answers(job) for job in spaces),
        "geometry": [_geometry()],
        "flat_units": [_flat_units(people)],
        "runs": [_runs(jobs)],
        "subjects": [pd.DataFrame([_about(name, person) for name, person in people.items()])],
    }


def _scores(job):
    columns = results.read_table(job.path, ["layer", "pooling", "unit", "r", "r2"])
    return labelled(columns, ("r", "r2"), subject=job.subject, model=job.model, instruction=job.instruction)


def _shares(job):
    return pd.DataFrame(results.read_table(job.path)).assign(model=job.model)


def _contrasts(encodes, name, person):
    return significance.contrasts([job for job in encodes if job.subject == name], person)


def _weights(job):
    """One row: what predicts a subject's responses."""
    found = results.read_arrays(job.path)
    row = {"subject": job.subject, "model": job.model, "instruction": job.instruction}
    row |= {"pooling": job.inputs["pooling"], "layer": job.inputs["layer"]}
    row |= {"rank": found["into"].shape[1], "kept": float(found["kept"])}
    row |= {"centre": found["centre"].astype("<f4").tobytes(), "bias": found["bias"].astype("<f4").tobytes()}
    row |= {"into_rank": store.to_bytes(found["into"]), "out_of_rank": store.to_bytes(found["out"])}
    return pd.DataFrame([row])


def _responses(job):
    found = results.read_arrays(job.path)
    data = [store.to_bytes(values) for values in found["measured"]]
    return pd.DataFrame({"subject": job.subject, "image_id": found["test_ids"].astype("int32"), "data": data})


def _answers(job):
    rows = pd.DataFrame(features.answers(job.path.parent), columns=["image_id", "answer"])
    rows = rows[(rows.answer != "") & (job.instruction != "")].astype({"image_id": "int32"})
    return rows.assign(model=job.model, instruction=job.instruction)


def _roi_scores(job, person):
    maps, rows = results.by_map(results.read_table(job.path, ["layer", "pooling", "r", "r2"]), ["r", "r2"]), []
    tops = ceilings(person)
    key = {"subject": job.subject, "model": job.model, "instruction": job.instruction}
    for (layer, pooling), scores in maps.items():
        r, r2 = scores["r"], scores["r2"]
        for name, (n_all, units) in areas(person).items():
            rows.append(key | {"layer": layer, "pooling": pooling, "roi": name, "n": len(units), "n_all": n_all})
            rows[-1] |= {"r_mean": mean(r[units]), "r_median": mean(r[units], np.median)}
            rows[-1] |= {"r2_mean": mean(r2[units]), "r_norm_mean": mean(r[units]) / tops[name]["r_ceiling"]}
            rows[-1] |= tops[name]
    return rounded_means(pd.DataFrame(rows).sort_values(["layer", "pooling", "roi"]))


def _models(study):
    """What the table of models says of the study's, in the study's order."""
    rows = [models.find(choice.name) for choice in study.models]
    names = ("kind", "tuned", "base", "control", "of", "parameters", "note")
    return pd.DataFrame([{"model": row.name} | {name: getattr(row, name) for name in names} for row in rows])


def _instructions(study):
    """Those that the study asks, in their table's order."""
    asked = {id for model in study.models for id in model.instructions}
    rows = [asdict(one) for one in tables.instructions().values() if one.id in asked]
    return pd.DataFrame(rows, columns=columns("instructions"))


def _regions():
    """All of the table: a subject's units are those of every region, whose definitions are in its job's identity."""
    rows = [asdict(roi) | {"roi": roi.name, "labels": "|".join(roi.labels)} for roi in tables.rois().values()]
    return pd.DataFrame(rows, columns=columns("regions"))


def _prompts(spaces):
    """What each model was given under each instruction; the words are those of the instructions' table."""
    rows = []
    for job in spaces:
        about = features.manifest(job.path.parent)
        if not job.instruction:
            continue
        if about["prompt"] != (text := tables.instructions()[job.instruction].text):
            raise ValueError(
                f"{job.path}: {job.model} was asked {about['prompt']!r}, but {job.instruction} is {text!r} in "
                "data/instructions.csv; delete the folder and run the study again"
            )
        rows.append((job.model, job.instruction, about["prompt"], about.get("sent")))
    return pd.DataFrame(rows, columns=columns("prompts"), dtype="string")


def _units(name, person, across):
    columns = {column: person[column] for column in ("place", "ncsnr", "nc", "reliable")}
    columns |= {f"across_{score}": across[score] if across else np.nan for score in ("r", "r2")}
    return pd.DataFrame({"subject": name, "unit": np.arange(len(person["place"]))} | columns)


def _unit_rois(name, person):
    roi, unit = np.nonzero(person["inside"])
    return pd.DataFrame({"subject": name, "roi": person["rois"][roi], "unit": unit}).sort_values(["roi", "unit"])


def _images(people, coco):
    """One row a picture; shared as the design has it, and who saw it in the sessions that are there.

    coco : (73000,) COCO ids by NSD id, 0 where there is none
    """
    seen = {}
    for name, person in people.items():
        for image_id, shared in zip(person["image_ids"].tolist(), person["is_test"].tolist()):
            seen.setdefault(image_id, (shared, []))[1].append(name)
    rows = [(image_id, shared, " ".join(names)) for image_id, (shared, names) in sorted(seen.items())]
    images = pd.DataFrame(rows, columns=["image_id", "shared", "subjects"])
    return images.assign(coco_id=pd.Series(coco[images.image_id], dtype="Int32").where(lambda own: own > 0))


def _geometry():
    flat = surface.flat_geometry()
    about = {"hash": flat.hash, "width": flat.width, "height": flat.height}
    return pd.DataFrame([about | {"data": surface.to_bytes(flat)}])


def _flat_units(people):
    rows = [{"subject": name, "data": p["flat_units"].astype("<i4").tobytes()} for name, p in people.items()]
    return pd.DataFrame(rows)


def _about(name, person):
    test = person["is_test"]
    return {
        "subject": name,
        "sessions": int(person["sessions"]),
        "images": len(person["image_ids"]),
        "test_images": int(test.sum()),
        "units": len(person["place"]),
        "repeats_mean": float(person["repeats"][test].mean()),
    }


def _runs(jobs):
    """Provenance: one row a job."""
    rows = []
    for job in jobs:
        about = results.read_about(Path(job.path))
        versions = {key: about[key] for key in ("versions", "inputs", "prompt", "checkpoint") if key in about}
        rows.append(
            {
                "job": job.id,
                "kind": job.kind,
                "subject": job.subject,
                "model": job.model,
                "instruction": job.instruction,
                "created": about["created"],
                "seconds": about["seconds"],
                "versions": json.dumps(versions | {"inputs": job.inputs}),
                "warnings": "\n".join(about.get("warnings", [])),
            }
        )
    return pd.DataFrame(rows)
