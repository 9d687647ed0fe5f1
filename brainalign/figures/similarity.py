"""Similarity of representations: rows for bars and profiles, matrices of distances, pictures put where these say."""

import numpy as np
import plotly.graph_objects as go

from brainalign import rsa
from brainalign.figures.theme import MUTED, SEQUENTIAL, finish

AXIS = "similarity (ρₐ)"
STRIP = 1.3  # cells that a picture beside a matrix takes
THUMB = 0.07  # of the arrangement's width that a picture takes


def bar_rows(chosen, ceilings, group):
    """Rows for `roi_bars` from those of `rsa_chosen` and `rsa_ceilings`; the ceiling is a band from ceiling_low up."""
    rows = chosen.merge(ceilings, on=["subject", "roi"]).rename(columns={"rho": "value", "upper": "ceiling"})
    rows = rows.rename(columns={"lower": "ceiling_low"}).assign(group=lambda own: own[group])
    kept = ("subject", "roi", "n", "n_all", "layer", "group", "value", "low", "high", "ceiling", "ceiling_low")
    return rows[list(kept)].reset_index(drop=True)


def profile_rows(scores, group):
    """Rows for `layer_profile` from those of `rsa_scores`."""
    return scores.rename(columns={"rho": "value"}).assign(group=scores[group]).reset_index(drop=True)


def order_of(rdm):
    """Pictures from one end of what a matrix tells apart best to the other."""
    return np.argsort(rsa.arrangement(rdm)[0][:, 0], kind="stable")


def rdm(distances, ids, order, thumbs, names=None):
    """A matrix of ranked distances as colours, its pictures along the top and the left side.

    distances : (n_pairs,) from 0, the nearest pair, to 1; ids : (n,) numbers of the pictures; order : of rows and
    columns; thumbs : id -> image as a data URI, empty where pictures may not be shown; names : (n,) what a pointer
    says of each; its number by default
    """
    values, n = rsa.square(distances)[np.ix_(order, order)], len(ids)
    np.fill_diagonal(values, np.nan)
    named = np.asarray(ids)[order]
    said = np.asarray(ids if names is None else names)[order]
    about = np.stack(np.broadcast_arrays(said[:, None], said[None, :]), -1)
    heat = go.Heatmap(
        z=values, zmin=0, zmax=1, colorscale=SEQUENTIAL, customdata=about, hoverongaps=False,
        hovertemplate="pictures %{customdata[0]} and %{customdata[1]}: farther apart than %{z:.0%} of pairs"
        "<extra></extra>",
        colorbar={"thickness": 10, "tickvals": [0, 0.5, 1], "ticktext": ["alike", "median", "unlike"], "len": 0.4,
                  "orientation": "h", "y": -0.02, "yanchor": "top"},
    )  # fmt: skip
    figure = go.Figure(heat)
    places = [(picture, at) for k, picture in enumerate(named.tolist()) for at in ((-1.2, k), (k, -1.2))]
    figure.update_layout(images=[_image(thumbs[p], *at, STRIP) for p, at in places if p in thumbs])
    edge = -2.0 if thumbs else -0.5
    figure.update_xaxes(visible=False, range=[edge, n - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[n - 0.5, edge], scaleanchor="x", constrain="domain")
    return finish(figure, 450)


def arranged(distances, ids, thumbs, names=None):
    """Pictures in a plane, the nearer the more alike; points with their numbers where they may not be shown."""
    places, _ = rsa.arrangement(distances)
    reach = np.maximum(np.abs(places).max(0), 1e-6) * (1 + 1.5 * THUMB)
    seen = [picture in thumbs for picture in ids]
    figure = go.Figure(
        go.Scatter(
            x=places[:, 0], y=places[:, 1], mode="markers+text",
            marker={"size": [26 if s else 6 for s in seen], "color": MUTED, "opacity": [0 if s else 1 for s in seen]},
            text=["" if s else str(picture) for s, picture in zip(seen, ids)], textposition="top center",
            customdata=list(ids if names is None else names), hovertemplate="picture %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    images = [_image(thumbs[p], *at, 2 * reach[0] * THUMB) for p, at in zip(ids, places.tolist()) if p in thumbs]
    figure.update_layout(images=images)
    figure.update_xaxes(visible=False, range=[-reach[0], reach[0]])
    figure.update_yaxes(visible=False, range=[-reach[1], reach[1]], scaleanchor="x")
    return finish(figure, 400, showlegend=False)


def _image(source, x, y, size):
    place = {"xref": "x", "yref": "y", "xanchor": "center", "yanchor": "middle"}
    return {"source": source, "x": x, "y": y, "sizex": size, "sizey": size, "layer": "above"} | place
