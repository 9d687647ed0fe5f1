"""Which similarity of representations is asked for, and the plots of it."""

from brainalign import live
from brainalign.figures import frames, similarity, theme
from brainalign.paper import method, rsa_drawn, rsa_queries, rsa_words


def groups(store, rows, by):
    """(ids in order, id -> name, id -> colour) of the bars or lines."""
    if by == "model":
        found = [name for name in store.models() if name in set(rows.model)]
        return found, {name: name for name in found}, {name: theme.model_colour(name) for name in found}
    found = store.catalogue.sort_instructions(rows.instruction)
    return found, {id: store.catalogue.label(id) for id in found}, {id: theme.instruction_colour(id) for id in found}


def at_first(store, found, by):
    """Those that are shown before anybody chooses."""
    return store.catalogue.one_per_family(found) if by == "instruction" else found


def pictures_of(store, ids):
    """Picture -> uint8 (height, width, 3), small; none where they may not be shown."""
    stimuli = store.info().get("stimuli", "")
    try:
        return {picture: live.picture(stimuli, picture)[::4, ::4] for picture in ids}
    except (ValueError, FileNotFoundError):
        return {}


# --- What is asked for ---


def _asked(wish):
    """(chosen rows, by, ids, names, colours) of what is asked for."""
    by, chosen = wish.one("by", ["instruction", "model"]), _needed(wish, "rsa_chosen")
    if by == "instruction":
        asked = set(chosen[chosen.instruction != ""].model)
        models = [name for name in wish.store.models() if name in asked] or wish.store.models()
        chosen = chosen[chosen.model == wish.one("model", models)]
        chosen = chosen[chosen.instruction != ""] if (chosen.instruction != "").any() else chosen
    else:
        chosen = frames.under(
            chosen, wish.one("instruction", wish.known.sort_instructions(set(chosen.instruction) - {""}) or [""])
        )
    chosen = frames.pooled(chosen, wish.one("pooling", frames.in_order(chosen.pooling, frames.POOLINGS)))
    found, names, colours = groups(wish.store, chosen, by)
    shown = wish.several(f"{by}s", found, at_first(wish.store, found, by), by)
    chosen = chosen[chosen[by].isin(shown)]
    if chosen.rho.notna().sum() == 0:
        raise ValueError("no similarity is defined for this choice; choose other bars or regions")
    return chosen, by, shown, {group: names[group] for group in shown}, colours


def _needed(wish, table):
    rows = wish.store.rows(table)
    if rows.empty:
        raise ValueError("the store has no representational similarity; add a section [rsa] to the study and run it")
    return rows


def bars(wish):
    """Similarity by region."""
    chosen, by, shown, names, colours = _asked(wish)
    kinds = wish.known.families(chosen.roi)
    kept = wish.several("regions", kinds, [kind for kind in kinds if kind != "streams"], "family of regions")
    chosen = frames.in_families(chosen, kept, wish.known)
    frame = similarity.bar_rows(chosen, wish.store.rows("rsa_ceilings"), by)
    reference, marks, family = wish.one("reference", ["nothing", *shown]), {}, ""
    if reference in shown:
        contrasts = frames.contrasts_of(wish.store.rows("rsa_contrasts"), chosen)
        marks = frames.marks(contrasts, by, reference, shown)
        family = method.short_family(wish.store, "rsa_contrasts", contrasts)
    about, query = rsa_words.of_bars(wish.store, chosen, frame, wish.made), rsa_queries.bars(chosen, by)
    regions = wish.known.by_family(frame.roi)
    return rsa_drawn.rsa(frame, colours, names, regions, about, wish.made, query, marks, family)


def _region(wish, chosen):
    means = chosen.groupby("roi").rho.mean()
    return wish.one("roi", wish.known.sort_regions(chosen.roi), means.idxmax(), "region")


def layers(wish):
    """Similarity through the layers in a region."""
    chosen, by, _, names, colours = _asked(wish)
    roi = _region(wish, chosen)
    scores = wish.store.rows("rsa_scores", roi=roi).merge(
        chosen[["model", "instruction", "pooling"]].drop_duplicates()
    )
    profile = similarity.profile_rows(scores, by)
    at = similarity.profile_rows(chosen[chosen.roi == roi], by)
    about, query = rsa_words.of_layers(wish.store, profile, wish.made, at), rsa_queries.layers(scores, by)
    return rsa_drawn.rsa_layers(profile, colours, names, about, wish.made, query, at)


def matrices(wish):
    """The matrices of a region and of a map beside each other."""
    chosen, by, shown, _, _ = _asked(wish)
    roi = _region(wish, chosen)
    here = chosen[chosen.roi == roi]
    one = wish.one("map", shown, here.groupby(by).rho.mean().idxmax())
    told = here[here[by] == one]
    found = wish.store.rdms(roi, *told.iloc[0][["model", "instruction", "pooling"]])
    if found is None:
        raise ValueError(f"the store keeps no matrix of {one} or {roi} to look at; publish it again")
    order = similarity.order_of(found[wish.one("sorted", ["region", "model"])])
    about = rsa_words.of_matrices(wish.store, told, found, wish.made)
    query, pictures = rsa_queries.matrices(told, found), pictures_of(wish.store, found["ids"])
    return rsa_drawn.rdms(found, order, rsa_words.titles(told, found), about, wish.made, query, pictures)
