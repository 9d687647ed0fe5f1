"""The tables of a store: columns in order, types, and for the long ones the key their rows are sorted by.

Instruction "" means that the states cannot depend on an instruction (vision only).
r, r2, nc and shares are never clipped; NaN or NULL means not defined. r, r2 and the parts of variance are rounded to
the number of decimals that the table `store` names, so that DuckDB packs them tightly; result files keep all.
"""

PACKED = "DECIMAL(9,4)"  # tighter than FLOAT for many numbers of four decimals; NULL where not defined or beyond 1e5
_MAP = "subject VARCHAR, model VARCHAR, instruction VARCHAR, layer UTINYINT, pooling VARCHAR"
_CHOSEN = "subject VARCHAR, model VARCHAR, instruction VARCHAR, pooling VARCHAR"
_INTERVALS = ", ".join(f"{name} FLOAT, {name}_low FLOAT, {name}_high FLOAT" for name in ("r", "r_norm", "r2"))
_CEILING = "nc_mean FLOAT, r_ceiling FLOAT, r_ceiling_low FLOAT, r_ceiling_high FLOAT"
_PAIR = "subject VARCHAR, model VARCHAR, pooling VARCHAR, a VARCHAR, b VARCHAR"
_LAYERS = "layer_a UTINYINT, layer_b UTINYINT"
_OF_PAIR = ("shared", "unique_a", "unique_b")
_ENDS = ", ".join(f"{part}_{end} FLOAT" for part in _OF_PAIR for end in ("floor", "low", "high", "p"))
_MOVED = ", ".join(f"{part}_at_{side} FLOAT" for part in _OF_PAIR for side in "ab")
_OWN = "subject VARCHAR, model VARCHAR, pooling VARCHAR, instruction VARCHAR"
_SUMS = ", ".join(  # of what is stored, so that the parts of a unit add up
    f"{part} FLOAT AS ({sum})"
    for part, sum in (("shared", "r2_a + r2_b - r2_ab"), ("unique_a", "r2_ab - r2_b"), ("unique_b", "r2_ab - r2_a"))
)
_PARTS = "r2_a FLOAT, r2_b FLOAT, r2_ab FLOAT, shared FLOAT, unique_a FLOAT, unique_b FLOAT"

TABLES = {
    # version, created, simulated, study_name, study_toml, stimuli, space, solver, decimals, min_nc; with rsa tables
    # also rsa_distance and rsa_pictures, ids separated by spaces; trend_degree: of the polynomial taken out of each
    # run's trials for across_r and RSA; across_images: pictures that across_r is of; earlier versions have neither
    "store": "key VARCHAR, value VARCHAR",
    # what the table of models says: base: the matched model without instruction tuning; control: what is done to `of`
    "models": "model VARCHAR, kind VARCHAR, tuned BOOLEAN, base VARCHAR, control VARCHAR, of VARCHAR, "
    "parameters BIGINT, note VARCHAR",
    # what the study was run with, in the order shown, so that a store is read with the words that ran: see Catalogue
    "instructions": "id VARCHAR, family VARCHAR, level INTEGER, paper VARCHAR, text VARCHAR",
    # labels: of the collection, separated by |
    "regions": "roi VARCHAR, family VARCHAR, level VARCHAR, collection VARCHAR, labels VARCHAR, note VARCHAR",
    # prompt: the instruction's text; sent: all that the model was given with a picture, its template included, NULL
    # where that was not kept
    "prompts": "model VARCHAR, instruction VARCHAR, prompt VARCHAR, sent VARCHAR",
    # of the variance of a layer's states over pictures and instructions: what the picture explains, the instruction,
    # and what depends on both; they add up to 1
    "shares": "model VARCHAR, layer UTINYINT, pooling VARCHAR, images INTEGER, picture FLOAT, instruction FLOAT, "
    "together FLOAT",
    # one row a map and unit, in key order: this is what makes a map cost milliseconds
    "scores": f"{_MAP}, unit UINTEGER, r {PACKED}, r2 {PACKED}",
    # place: where the unit lies (types.Subject.units); nc: percent, by the repeats of the test images
    # across_r, across_r2: predicted from the other subjects' responses; NaN where there is one subject only
    "units": "subject VARCHAR, unit UINTEGER, place BIGINT, ncsnr FLOAT, nc FLOAT, reliable BOOLEAN, "
    "across_r FLOAT, across_r2 FLOAT",
    "unit_rois": "subject VARCHAR, roi VARCHAR, unit UINTEGER",
    # n_all: units in the ROI; n: those of them that are reliable (data in every session, a noise ceiling by the
    # training pictures of at least min_nc percent), which all means are taken over; r_ceiling, nc_mean: the mean r and
    # 100 R2 over them that a perfect model would reach, by the test pictures (`ceilings`), with the ends of its 95 %
    # interval; r_norm: mean r / r_ceiling. Stores of an earlier version: units by nc, r_ceiling the mean of
    # sqrt(nc/100), r_norm the mean of r / sqrt(nc/100), no interval
    "roi_scores": f"{_MAP}, roi VARCHAR, n INTEGER, n_all INTEGER, r_mean FLOAT, r_median FLOAT, "
    f"r2_mean FLOAT, r_norm_mean FLOAT, {_CEILING}",
    # the layer of each unit that left-out training images choose (-1: none), and how sure its scores are: ends of
    # the 95 % bootstrap interval of r, p by permutation, q by Benjamini-Hochberg over the map's reliable units
    "nested": f"{_CHOSEN}, unit UINTEGER, layer TINYINT, r FLOAT, r2 FLOAT, r_low FLOAT, r_high FLOAT, "
    f"p FLOAT, q {PACKED}",
    # means over reliable units of the above with their intervals; layer: the median of the chosen ones;
    # significant: the share of units with q below 0.05; roi "early", "high" and "language": a level's areas together
    "roi_nested": f"{_CHOSEN}, roi VARCHAR, n INTEGER, n_all INTEGER, layer FLOAT, {_INTERVALS}, {_CEILING}, "
    "significant FLOAT",
    # differences of two maps' means, or of two regions in one map (then the roi is "high - early"), by paired
    # bootstrap over test images: p two-sided, q over the regions of a comparison
    "roi_contrasts": "subject VARCHAR, model_a VARCHAR, instruction_a VARCHAR, pooling_a VARCHAR, model_b VARCHAR, "
    "instruction_b VARCHAR, pooling_b VARCHAR, roi VARCHAR, difference FLOAT, low FLOAT, high FLOAT, "
    "p FLOAT, q FLOAT",
    # the same contest for each unit on two halves of the test images, among "instructions" (of a model with a pooling)
    # or "models" (under an instruction): Cohen's kappa and adjusted mutual information of the two maps of winners;
    # chance: 95th percentile of kappa if the maps were alike, p: how often that agrees as well
    "winner_reliability": "subject VARCHAR, among VARCHAR, model VARCHAR, instruction VARCHAR, pooling VARCHAR, "
    "maps INTEGER, units INTEGER, kappa FLOAT, ami FLOAT, chance FLOAT, p FLOAT",
    # layer_a, layer_b: those at which the two enter. Stores of an earlier version have one `layer` in these five
    # tables, at which all entered
    "variance": f"{_PAIR}, {_LAYERS}, unit UINTEGER, r2_a FLOAT, r2_b FLOAT, r2_ab FLOAT, {_SUMS}",
    # each pair both ways round; *_negative: the fraction of units where that part is below 0; *_floor: what estimating
    # weights adds to the part, see jobs.nested.part_intervals; *_low, *_high: 95 % interval of the part less its
    # floor, *_p: two-sided, that it is 0; *_at_a, *_at_b: the part less its floor, had both entered at the layer of a,
    # of b; of pairs of the anchor, where layers are chosen
    "roi_variance": f"{_PAIR}, {_LAYERS}, roi VARCHAR, n INTEGER, n_all INTEGER, {_PARTS}, "
    f"shared_negative FLOAT, unique_a_negative FLOAT, unique_b_negative FLOAT, {_ENDS}, {_MOVED}",
    # one row a part of three instructions: unique_a ..., shared_ab (by a and b but not c) ..., shared_abc
    "roi_triples": f"{_PAIR}, c VARCHAR, {_LAYERS}, layer_c UTINYINT, roi VARCHAR, n INTEGER, n_all INTEGER, "
    "part VARCHAR, value FLOAT, floor FLOAT, low FLOAT, high FLOAT, p FLOAT, negative FLOAT",
    # what an instruction explains beyond all the others of its model: unique_r2 = r2_all - r2_others, signed;
    # layer: that at which it enters, as the others do at theirs
    "uniques": f"{_OWN}, layer UTINYINT, unit UINTEGER, unique_r2 FLOAT",
    "roi_uniques": f"{_OWN}, layer UTINYINT, roi VARCHAR, n INTEGER, n_all INTEGER, r2_all FLOAT, "
    "r2_others FLOAT, unique_r2 FLOAT, floor FLOAT, low FLOAT, high FLOAT, p FLOAT, negative FLOAT",
    # representational similarity on test pictures: rho_a of a layer's distances with a region's
    "rsa_scores": f"{_MAP}, roi VARCHAR, rho FLOAT",
    # at the layer that training pictures choose for the subject and region (-1: none), with the ends of the 95 %
    # bootstrap interval over pictures, p by permuting pictures, q by Benjamini-Hochberg over the map's regions
    "rsa_chosen": f"{_CHOSEN}, roi VARCHAR, layer TINYINT, rho FLOAT, low FLOAT, high FLOAT, p FLOAT, q FLOAT",
    # bounds of what any model can reach, by the agreement of subjects (NaN where there is one); pictures: the test
    # pictures, which all subjects saw; training: those by which layers are chosen; n, n_all: units as in roi_scores
    "rsa_ceilings": "subject VARCHAR, roi VARCHAR, n INTEGER, n_all INTEGER, pictures INTEGER, training INTEGER, "
    "lower FLOAT, upper FLOAT",
    # differences of two maps' rho in every area and in all of visual cortex, else as roi_contrasts
    "rsa_contrasts": "subject VARCHAR, model_a VARCHAR, instruction_a VARCHAR, pooling_a VARCHAR, model_b VARCHAR, "
    "instruction_b VARCHAR, pooling_b VARCHAR, roi VARCHAR, difference FLOAT, low FLOAT, high FLOAT, q FLOAT",
    # mean over subjects of ranked distances, ranked again among the pairs i < j of the pictures that the table `store`
    # names as rsa_pictures: uint8, 0 the nearest, 255 the farthest; of a region (model "", layer -1) or of a model's
    # layer that a region chooses (roi "")
    "rsa_rdms": "roi VARCHAR, model VARCHAR, instruction VARCHAR, pooling VARCHAR, layer TINYINT, data BLOB",
    # subjects: names of those who saw the picture, separated by spaces
    # encoding.Readout as bytes: centre and bias float32, the others as `store.packed`; see there
    "weights": f"{_CHOSEN}, layer UTINYINT, rank INTEGER, kept FLOAT, centre BLOB, into_rank BLOB, out_of_rank BLOB, "
    "bias BLOB",
    # standardised responses of all units to a test image, as `store.packed`
    "responses": "subject VARCHAR, image_id INTEGER, data BLOB",
    # image_id: NSD's id from 0; coco_id: NULL where there is none (simulated scenes, a root without its table of
    # pictures), and no such column in stores of an earlier version
    "images": "image_id INTEGER, shared BOOLEAN, subjects VARCHAR, coco_id INTEGER",
    "answers": "model VARCHAR, instruction VARCHAR, image_id INTEGER, answer VARCHAR",
    "geometry": "hash VARCHAR, width INTEGER, height INTEGER, data BLOB",
    # data: int32 (20484,), for each vertex of fsaverage5 the unit shown there, or -1
    "flat_units": "subject VARCHAR, data BLOB",
    "runs": "job VARCHAR, kind VARCHAR, subject VARCHAR, model VARCHAR, instruction VARCHAR, "
    "created VARCHAR, seconds DOUBLE, versions JSON, warnings VARCHAR",
    # test_images: shared pictures that this subject saw
    "subjects": "subject VARCHAR, sessions INTEGER, images INTEGER, test_images INTEGER, "
    "units INTEGER, repeats_mean DOUBLE",
}

KEYS = {
    "scores": ["subject", "model", "instruction", "layer", "pooling", "unit"],
    "nested": ["subject", "model", "instruction", "pooling", "unit"],
    "variance": ["subject", "model", "pooling", "a", "b", "unit"],
    "uniques": ["subject", "model", "pooling", "instruction", "unit"],
}


def columns(table):
    """Names of the columns that are stored in a table, in order; what follows from them is left out."""
    return [column.split()[0] for column in TABLES[table].split(", ") if " AS (" not in column]


def taken(table):
    """The stored columns in SQL, as they are taken from rows that are to be written."""
    kinds = [column.split() for column in TABLES[table].split(", ") if " AS (" not in column]
    return ", ".join(f"TRY_CAST({name} AS {kind})" if kind == PACKED else name for name, kind, *_ in kinds)
