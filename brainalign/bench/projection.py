"""What measured seconds mean for whole studies."""

MODELS, INSTRUCTIONS, LAYERS = 4, 10, 33  # of a study
PAIRS = INSTRUCTIONS * (INSTRUCTIONS - 1) // 2


def projection(seconds, fits, models=MODELS, subjects=(4, 8), gpus=(1, 8)):
    """Hours for whole studies of `fits` fits for each subject and model, as a list of dicts.

    A study fits every layer of every instruction (ridge), or every pair of instructions at one layer (banded).
    """
    return [
        {
            "subjects": n,
            "gpus": g,
            "fits": n * models * fits,
            "hours": round(n * models * fits * seconds / g / 3600, 2),
        }
        for n in subjects
        for g in gpus
    ]


def whole(ridge_seconds, banded_seconds):
    """Hours for whole studies: every layer of every instruction, and every pair of instructions at one layer."""
    rows = zip(projection(ridge_seconds, INSTRUCTIONS * LAYERS), projection(banded_seconds, PAIRS))
    return [
        {
            "subjects": ridge["subjects"],
            "gpus": ridge["gpus"],
            "fits": ridge["fits"],
            "pairs": banded["fits"],
            "hours": round(ridge["hours"] + banded["hours"], 2),
        }
        for ridge, banded in rows
    ]
