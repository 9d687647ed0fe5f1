"""Questions to a published store, one method each.

Every call takes its own cursor, so one `Store` serves all threads. SQL is parameterised throughout.
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from brainalign import rsa
from brainalign.catalogue import Catalogue, in_order
from brainalign.files import text
from brainalign.store.connecting import reader
from brainalign.store.packed import from_bytes
from brainalign.store.schema import TABLES, columns
from brainalign.tables import today
from brainalign.types import Instruction, Roi

KEPT = 8_000_000  # cells of the frames that a store keeps in memory, about 100 MB
PARTS = ("r2_a", "r2_b", "r2_ab", "shared", "unique_a", "unique_b")
NESTED = ("layer", "r", "r2", "r_low", "r_high", "p", "q")
LABELS = {"subject", "model", "instruction", "layer", "pooling", "a", "b", "c", "roi", "part"} | {
    f"{name}_{side}" for name in ("model", "instruction", "pooling") for side in "ab"
}


def latest(place):
    """The path of a store: a .duckdb file itself, or the version that a directory's LATEST points to."""
    place = Path(place)
    if place.is_file():
        return place
    pointer = place / "LATEST"
    if not pointer.is_file():
        raise FileNotFoundError(f"no store in {place}: expected a file LATEST there; run `brainalign publish`")
    path = place / text(pointer).strip()
    if not path.is_file():
        raise FileNotFoundError(f"{pointer} names {path.name}, which is not there; run `brainalign publish` again")
    return path


def open_latest(place):
    """The current `Store` of a directory, or of the .duckdb file itself."""
    return Store(latest(place))


class Store:
    """A published version, read only. Close it when done, or use it in a `with`."""

    def __init__(self, path):
        self.path, self._kept = Path(path), {}
        if not self.path.is_file():
            raise FileNotFoundError(f"no store at {self.path}; run `brainalign publish STUDY.toml`")
        self._db = reader(self.path)

    @cached_property
    def _tables(self):
        return set(self._list("SELECT table_name FROM duckdb_tables()"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Release the file."""
        self._kept.clear()
        self._db.close()

    def cursor(self):
        """A cursor of its own: a connection shared by threads gives wrong results."""
        return self._db.cursor()

    def _frame(self, sql, **values):
        """A frame of one's own. What was read is kept, as a page asks the same at each click: KEPT cells at most."""
        key = sql, *values.items()
        found = self._kept.get(key)
        if found is None:
            with self.cursor() as db:
                found = db.execute(sql, values).df() if values else db.execute(sql).df()
            self._kept[key] = found
            while sum(frame.size for frame in list(self._kept.values())) > KEPT:
                self._kept.pop(next(iter(self._kept)), None)  # the oldest
        return found.copy()

    def _arrays(self, sql, **values):
        """Columns as plain arrays; a missing value is NaN."""
        with self.cursor() as db:
            found = db.execute(sql, values).fetchnumpy()
        return {name: _filled(column) for name, column in found.items()}

    def _list(self, sql, **values):
        with self.cursor() as db:
            rows = db.execute(sql, values) if values else db.execute(sql)
            return [row[0] for row in rows.fetchall()]

    # what is there

    def info(self):
        """Key -> text: version, created, simulated, study_name, study_toml, stimuli, space, solver ..."""
        frame = self._frame("SELECT key, value FROM store")
        return dict(zip(frame.key, frame.value))

    @property
    def simulated(self):
        """Whether these are simulated responses, which every view and export must say."""
        return self.info().get("simulated") == "true"

    @cached_property
    def catalogue(self):
        """The instructions and regions that the study was run with; today's where an earlier version kept none."""
        if not {"instructions", "regions"} <= self._tables:
            return replace(today(), borrowed=True)
        asked = self._frame("SELECT * FROM instructions ORDER BY rowid").to_dict("records")
        regions = self._frame("SELECT * FROM regions ORDER BY rowid").to_dict("records")
        rois = [Roi(row.pop("roi"), **row | {"labels": tuple(row["labels"].split("|"))}) for row in regions]
        return Catalogue({row["id"]: Instruction(**row) for row in asked}, {roi.name: roi for roi in rois})

    def subjects(self):
        """One row a subject: sessions, images, test_images, units, repeats_mean."""
        return self._frame("SELECT * FROM subjects ORDER BY subject")

    def models(self):
        """Names of the models with scores, in the study's order."""
        found = self._list("SELECT DISTINCT model FROM roi_scores")
        known = self._list("SELECT model FROM models ORDER BY rowid") if "models" in self._tables else []
        return in_order(found, known)

    def instructions(self, model):
        """Instruction ids with scores of a model, in the fixed order of the table; [""] for vision only."""
        found = self._list("SELECT DISTINCT instruction FROM roi_scores WHERE model = $model", model=model)
        return self.catalogue.sort_instructions(found)

    def layers(self, model):
        """Layer numbers with scores of a model; 0 is the embeddings."""
        return self._list("SELECT DISTINCT layer FROM roi_scores WHERE model = $model ORDER BY layer", model=model)

    def poolings(self, model):
        """Poolings with scores of a model."""
        sql = "SELECT DISTINCT pooling FROM roi_scores WHERE model = $model ORDER BY pooling"
        return self._list(sql, model=model)

    def spaces(self):
        """One row a map over layers: subject, model, instruction, pooling."""
        return self._frame("SELECT DISTINCT subject, model, instruction, pooling FROM roi_scores ORDER BY ALL")

    def coverage(self):
        """One row a subject, model and instruction: number of layers, poolings and maps."""
        return self._frame("""
            SELECT subject, model, instruction, count(DISTINCT layer) AS layers,
                   count(DISTINCT pooling) AS poolings, count(DISTINCT (layer, pooling)) AS maps
            FROM roi_scores GROUP BY ALL ORDER BY ALL""")

    def pairs(self):
        """One row a map of the partition of variance: subject, model, pooling, a, b."""
        return self._frame("SELECT DISTINCT subject, model, pooling, a, b FROM variance ORDER BY ALL")

    @cached_property
    def own_layers(self):
        """Whether each instruction enters partitions of variance at its own layer; in an earlier version all entered
        at that of the study's anchor."""
        return "layer_a" in self._names("roi_variance")

    def runs(self):
        """What was computed, when, for how long, with which versions and warnings."""
        return self._frame("SELECT * FROM runs ORDER BY kind, subject, model, instruction, job")

    # maps: one value a unit

    def n_units(self, subject):
        """Number of units of a subject."""
        found = self._list("SELECT units FROM subjects WHERE subject = $subject", subject=subject)
        if not found:
            raise ValueError(f"no subject {subject!r} in {self.path.name}; it has {_names(self.subjects().subject)}")
        return found[0]

    def unit_map(self, subject, model, instruction, layer, pooling):
        """Test r and r2 of one map: two (n_units,) float32; NaN where not defined."""
        rows = self._arrays(
            """SELECT unit, r, r2 FROM scores WHERE subject = $subject AND model = $model
               AND instruction = $instruction AND layer = $layer AND pooling = $pooling""",
            subject=subject,
            model=model,
            instruction=instruction,
            layer=int(layer),
            pooling=pooling,
        )
        r, r2 = np.full((2, self.n_units(subject)), np.nan, np.float32)
        if not len(rows["unit"]):
            raise ValueError(
                f"no map of {subject}, {model}, {instruction or 'no instruction'}, layer {layer}, {pooling}"
            )
        r[rows["unit"]], r2[rows["unit"]] = rows["r"], rows["r2"]
        return r, r2

    def layer_maps(self, subject, model, instruction, pooling):
        """All layers of one map: (layers, r (n_layers, n_units), r2 (n_layers, n_units))."""
        rows = self._arrays(
            """SELECT layer, unit, r, r2 FROM scores WHERE subject = $subject AND model = $model
               AND instruction = $instruction AND pooling = $pooling""",
            subject=subject,
            model=model,
            instruction=instruction,
            pooling=pooling,
        )
        layers, row = np.unique(rows["layer"], return_inverse=True)
        r, r2 = np.full((2, len(layers), self.n_units(subject)), np.nan, np.float32)
        if not len(layers):
            raise ValueError(f"no maps of {subject}, {model}, {instruction or 'no instruction'}, {pooling}")
        r[row, rows["unit"]], r2[row, rows["unit"]] = rows["r"], rows["r2"]
        return layers.tolist(), r, r2

    def units(self, subject):
        """One row a unit: unit, place, ncsnr, nc, reliable, across_r, across_r2."""
        sql = "SELECT * EXCLUDE subject FROM units WHERE subject = $subject ORDER BY unit"
        return self._frame(sql, subject=subject)

    def reliable_units(self):
        """{subject: how many units are tested in each of its maps}."""
        rows = self._frame("SELECT subject, count(*) FILTER (reliable) AS n FROM units GROUP BY subject")
        return dict(zip(rows.subject, rows.n.tolist()))

    def noise_ceiling(self, subject):
        """Percent of variance that can be explained in the test images: (n_units,)."""
        sql = "SELECT nc FROM units WHERE subject = $subject ORDER BY unit"
        return self._arrays(sql, subject=subject)["nc"]

    def rois(self, subject):
        """ROI name -> its units, ascending, in the order of the table of ROIs; includes unreliable units."""
        rows = self._arrays(
            "SELECT roi, unit FROM unit_rois WHERE subject = $subject ORDER BY roi, unit", subject=subject
        )
        names = self.catalogue.sort_regions(rows["roi"])
        return {name: rows["unit"][rows["roi"] == name].astype(np.int64) for name in names}

    def variance_map(self, subject, model, a, b, pooling):
        """Partition of one pair, signed: r2_a, r2_b, r2_ab, shared, unique_a, unique_b -> (n_units,) each."""
        return self._columns("variance", PARTS, subject, model=model, a=a, b=b, pooling=pooling)

    def nested_map(self, subject, model, instruction, pooling):
        """Each unit at the layer that training images choose: layer, r, r2, r_low, r_high, p, q -> (n_units,) each.

        layer is NaN where no layer has a score.
        """
        found = self._columns("nested", NESTED, subject, model=model, instruction=instruction, pooling=pooling)
        return found | {"layer": np.where(found["layer"] < 0, np.nan, found["layer"])}

    def unique_map(self, subject, model, instruction, pooling):
        """What an instruction explains beyond all others: (n_units,), signed."""
        key = {"model": model, "instruction": instruction, "pooling": pooling}
        return self._columns("uniques", ["unique_r2"], subject, **key)["unique_r2"]

    def _columns(self, table, names, subject, **key):
        """Columns of a table with one row a unit: name -> (n_units,) float32, NaN where there is no row."""
        where, values = _where(table, {"subject": subject} | key)
        if table not in self._tables:
            raise ValueError(f"{self.path.name} is of an earlier version and has no {table}; publish it again")
        rows = self._arrays(f"SELECT unit, {', '.join(names)} FROM {table} WHERE {where}", **values)
        if not len(rows["unit"]):
            wanted = ", ".join(f"{name} {value!r}" for name, value in key.items())
            raise ValueError(f"no {table} of {subject} with {wanted}")
        found = np.full((len(names), self.n_units(subject)), np.nan, np.float32)
        for column, name in zip(found, names):
            column[rows["unit"]] = rows[name]
        return dict(zip(names, found))

    def rdms(self, roi, model, instruction, pooling):
        """Matrices to look at, means over subjects: {"ids", "coco", "region", "model", "layer"}; None where one is
        not kept.

        ids : numbers of the pictures; coco : as `coco_ids` gives them
        region, model : (n_pairs,) ranked distances from 0 to 1, see rsa.pairs
        layer : the model's, the nearest that is kept to the median of those its subjects choose for the region
        """
        key = {"model": model, "instruction": instruction, "pooling": pooling}
        region, kept = self.rows("rsa_rdms", roi=roi, model=""), self.rows("rsa_rdms", **key)
        chosen = self.rows("rsa_chosen", roi=roi, **key).layer
        if region.empty or kept.empty or chosen.empty:
            return None
        row = kept.iloc[(kept.layer - np.quantile(chosen, 0.5, method="lower")).abs().argmin()]
        ids = [int(picture) for picture in self.info()["rsa_pictures"].split()]
        found = {"region": rsa.from_bytes(region.data[0]), "model": rsa.from_bytes(row.data)}
        return {"ids": ids, "coco": self.coco_ids(ids), **found, "layer": int(row.layer)}

    def readouts(self, subject=None, model=None):
        """One row a map whose weights are kept: subject, model, instruction, pooling, layer, rank, kept."""
        found = self.rows("weights", subject=subject, model=model)
        return found.drop(columns=["centre", "into_rank", "out_of_rank", "bias"])

    def readout(self, subject, model, instruction):
        """What predicts a subject's responses from a model's states (encoding.Readout), its layer and its pooling."""
        from brainalign.encoding import Readout

        found = self.rows("weights", subject=subject, model=model, instruction=instruction)
        if found.empty:
            raise ValueError(f"no weights of {subject}, {model}, {instruction}; name them under [live] in the study")
        row = found.iloc[0]
        centre, bias = np.frombuffer(row.centre, "<f4"), np.frombuffer(row.bias, "<f4")
        into = from_bytes(row.into_rank, len(centre) * row["rank"]).reshape(-1, row["rank"])
        out = from_bytes(row.out_of_rank, len(bias) * row["rank"]).reshape(row["rank"], -1)
        return Readout(centre, into, out, bias, float(row.kept)), int(row.layer), row.pooling

    def response(self, subject, image_id):
        """Measured response to a test image, standardised over training images: (n_units,), or None if not kept."""
        found = self.rows("responses", subject=subject, image_id=int(image_id))
        return None if found.empty else from_bytes(found.data[0], self._n_units(subject)).astype(np.float32)

    def responses_of(self, subject, unit):
        """Measured responses of one unit to the test images: ids and (n,) values; none where they are not kept."""
        found = self.rows("responses", subject=subject)
        values = [from_bytes(data, self._n_units(subject))[unit] for data in found["data"]]
        return found.image_id.to_numpy(), np.array(values, np.float32)

    def _n_units(self, subject):
        return int(self.rows("subjects", subject=subject).units.iloc[0])

    # tables with few rows: any argument left out is not filtered on

    def rows(self, table, **equal):
        """Rows of a table that have these values, in the order of its first columns; None is no condition.

        The tables and their columns are those of `store.schema.TABLES`.
        """
        where, values = _where(table, {name: value for name, value in equal.items() if value is not None})
        if table not in self._tables:  # a store of an earlier version
            return pd.DataFrame(columns=columns(table))
        order = ", ".join(name for name in columns(table) if name in LABELS) or "ALL"
        return self._frame(f"SELECT * FROM {table} WHERE {where} ORDER BY {order}", **values)

    def roi_scores(self, subject=None, **equal):
        """Rows of roi_scores: n counts the reliable units, n_all those before masking."""
        return self.rows("roi_scores", subject=subject, **equal)

    def roi_variance(self, subject=None, **equal):
        """Rows of roi_variance: signed means over units with their intervals, and fractions of negative units."""
        return self.rows("roi_variance", subject=subject, **equal)

    # pictures, answers, surface

    def image_ids(self, subject=None, shared=None):
        """Ids of the pictures, ascending: all, those a subject saw, those shared by all subjects or not."""
        sql = """
            SELECT image_id FROM images WHERE coalesce(shared = $shared, true)
            AND coalesce(list_contains(string_split(subjects, ' '), $subject), true) ORDER BY image_id"""
        return self._arrays(sql, subject=subject, shared=shared)["image_id"]

    def coco_ids(self, image_ids):
        """{image_id: COCO id} of those of the pictures whose COCO id is known; empty in an earlier version's store."""
        if not self._names_coco:
            return {}
        sql = "SELECT image_id, coco_id FROM images WHERE coco_id IS NOT NULL AND image_id IN (SELECT unnest($ids))"
        found = self._arrays(sql, ids=[int(one) for one in image_ids])
        return dict(zip(found["image_id"].tolist(), found["coco_id"].tolist()))

    @cached_property
    def _names_coco(self):
        return "coco_id" in self._names("images")

    def _names(self, table):
        return self._list("SELECT column_name FROM duckdb_columns() WHERE table_name = $table", table=table)

    def numbered(self, image_id):
        """What stands for a picture wherever it is shown: its NSD id from 0, and its other ids where known."""
        return self.all_numbered([image_id])[0]

    def all_numbered(self, image_ids):
        """The same for several pictures, in their order."""
        coco = self.coco_ids(image_ids)
        return [f"{i} (73KID {i + 1}, COCO {coco[i]})" if i in coco else f"{i}" for i in map(int, image_ids)]

    def answer(self, model, instruction, image_id):
        """What a model answered, or None if it was not asked."""
        sql = "SELECT answer FROM answers WHERE model = $model AND instruction = $asked AND image_id = $image"
        found = self._list(sql, model=model, asked=instruction, image=int(image_id))
        return found[0] if found else None

    def search(self, text, shared=None):
        """Ids of pictures that any model's answer about has this text in it, upper or lower case, ascending."""
        sql = """
            SELECT DISTINCT image_id FROM answers JOIN images USING (image_id)
            WHERE contains(lower(answer), lower($text)) AND coalesce(shared = $shared, true) ORDER BY image_id"""
        return self._arrays(sql, text=text, shared=shared)["image_id"]

    def geometry(self):
        """The flat surface (surface.FlatGeometry) that flat_units belongs to."""
        from brainalign.surface import from_bytes

        found = self._list("SELECT data FROM geometry")
        if not found:
            raise ValueError(f"{self.path.name} has no flat surface; publish it again")
        return from_bytes(found[0])

    def flat_units(self, subject):
        """For each vertex of fsaverage5, left then right, the unit shown there or -1: (20484,) int32."""
        found = self._list("SELECT data FROM flat_units WHERE subject = $subject", subject=subject)
        if not found:
            raise ValueError(
                f"no surface mapping of {subject!r}; {self.path.name} has {_names(self.subjects().subject)}"
            )
        return np.frombuffer(found[0], "<i4")


def _where(table, equal):
    """An SQL condition on columns of a table, and its parameters; a table or column that is not there is an error."""
    if table not in TABLES:
        raise ValueError(f"the store has no table {table!r}; it has {', '.join(TABLES)}")
    unknown = [name for name in equal if name not in columns(table)]
    if unknown:
        raise ValueError(f"{table} has no column {unknown[0]!r}; it has {', '.join(columns(table))}")
    return " AND ".join(f"{name} = ${name}" for name in equal) or "true", equal


def _filled(column):
    if not isinstance(column, np.ma.MaskedArray):
        return column
    return column.filled(np.nan) if column.dtype.kind == "f" else column.data


def _names(values):
    return ", ".join(values) or "none"
