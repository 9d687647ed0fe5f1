"""The tables of a store: columns in order, types, and for the long ones the key their rows are sorted by.

Instruction "" means that the states cannot depend on an instruction (vision only).
r, r2, nc and shares are never clipped; NaN means not defined. r, r2 and the parts of variance are rounded to
the number of decimals that the table `store` names, so that DuckDB packs them tightly; result files keep all.
"""

_MAP = "subject VARCHAR, model VARCHAR, instruction VARCHAR, layer UTINYINT, pooling VARCHAR"
_PAIR = "subject VARCHAR, model VARCHAR, layer UTINYINT, pooling VARCHAR, a VARCHAR, b VARCHAR"
_PARTS = "r2_a FLOAT, r2_b FLOAT, r2_ab FLOAT, shared FLOAT, unique_a FLOAT, unique_b FLOAT"

TABLES = {
    # version, created, simulated, study_name, study_toml, stimuli, space, solver, decimals, min_nc
    "store": "key VARCHAR, value VARCHAR",
    # one row a map and unit, in key order: this is what makes a map cost milliseconds
    "scores": f"{_MAP}, unit UINTEGER, r FLOAT, r2 FLOAT",
    # place: where the unit lies (types.Subject.units); nc: percent, by the repeats of the test images
    "units": "subject VARCHAR, unit UINTEGER, place BIGINT, ncsnr FLOAT, nc FLOAT, reliable BOOLEAN",
    "unit_rois": "subject VARCHAR, roi VARCHAR, unit UINTEGER",
    # n_all: units in the ROI; n: those of them that are reliable, which all means are taken over;
    # r_norm_mean: mean of r / sqrt(nc/100) over those with nc of at least min_nc percent
    "roi_scores": f"{_MAP}, roi VARCHAR, n INTEGER, n_all INTEGER, r_mean FLOAT, r_median FLOAT, "
    "r2_mean FLOAT, r_norm_mean FLOAT, nc_mean FLOAT",
    "variance": f"{_PAIR}, unit UINTEGER, {_PARTS}",
    # *_negative: the fraction of units where that part is below 0
    "roi_variance": f"{_PAIR}, roi VARCHAR, n INTEGER, n_all INTEGER, {_PARTS}, "
    "shared_negative FLOAT, unique_a_negative FLOAT, unique_b_negative FLOAT",
    # subjects: names of those who saw the picture, separated by spaces
    "images": "image_id INTEGER, shared BOOLEAN, subjects VARCHAR",
    "answers": "model VARCHAR, instruction VARCHAR, image_id INTEGER, answer VARCHAR",
    "geometry": "hash VARCHAR, width INTEGER, height INTEGER, data BLOB",
    # data: int32 (20484,), for each vertex of fsaverage5 the unit shown there, or -1
    "flat_units": "subject VARCHAR, data BLOB",
    "runs": "job VARCHAR, kind VARCHAR, subject VARCHAR, model VARCHAR, instruction VARCHAR, "
    "created VARCHAR, seconds DOUBLE, versions JSON, warnings VARCHAR",
    "subjects": "subject VARCHAR, sessions INTEGER, images INTEGER, test_images INTEGER, "
    "units INTEGER, repeats_mean DOUBLE",
}

KEYS = {
    "scores": ["subject", "model", "instruction", "layer", "pooling", "unit"],
    "variance": ["subject", "model", "layer", "pooling", "a", "b", "unit"],
}


def columns(table):
    """Column names of a table, in order."""
    return [column.split()[0] for column in TABLES[table].split(", ")]
