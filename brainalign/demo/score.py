"""How often the demo's model answers a scene exactly right."""

from brainalign.demo.scenes import answers, render, scene
from brainalign.tables import instructions


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
    for start in range(0, n, 50):
        pictures = [render(s) for s in scenes[start : start + 50]]
        for instruction in ten:
            told = adapter.answer(pictures, instruction.text)
            expected = [t[instruction.id] for t in truth[start : start + 50]]
            right[instruction.id] += sum(a == b for a, b in zip(told, expected))
        if progress:
            progress(min(start + 50, n), n)
    return {key: count / n for key, count in right.items()}
