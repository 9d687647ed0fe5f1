"""How often the demo's model answers a scene exactly right."""

from brainalign.demo.answers import answers
from brainalign.demo.drawing import render
from brainalign.demo.scenes import scene
from brainalign.tables import instructions

BATCH = 32


def score(model="llava-demo", n=500, seed=4242, progress=None):
    """Share of exactly right answers to each of the ten instructions, on n scenes of a seed it was not trained on.

    Returns instruction id -> exact-match rate in [0, 1]; the answers are greedy.
    """
    from brainalign import models

    if n < 1:
        raise ValueError(f"--n is {n}; ask for at least one scene")
    adapter = models.load(model)
    if not adapter.answers:
        raise ValueError(f"{model} cannot answer; it only gives states")
    scenes = [scene(i, seed) for i in range(n)]
    truth = [answers(s) for s in scenes]
    ten = [i for i in instructions().values() if i.paper == "ten"]
    right = dict.fromkeys((i.id for i in ten), 0)
    for start in range(0, n, BATCH):
        batch = slice(start, start + BATCH)
        pictures = [render(s) for s in scenes[batch]]
        told = adapter.states_many(pictures, [i.text for i in ten], ["last_prompt"], batch_size=BATCH)
        for i in ten:
            right[i.id] += sum(a == t[i.id] for a, t in zip(told[i.text][0], truth[batch]))
        if progress:
            progress(min(start + BATCH, n), n)
    return {key: count / n for key, count in right.items()}
