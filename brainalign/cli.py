"""The command line: one verb a command, no logic of its own."""

import json
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import click

from brainalign.files import in_words


class Commands(click.Group):
    """Lists commands in their order of use, and turns warnings and the errors a user can mend into one line each."""

    def list_commands(self, ctx):
        return list(self.commands)

    def invoke(self, ctx):
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _once()
                return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise click.ClickException(in_words(error)) from error
        except KeyboardInterrupt:
            raise click.ClickException("stopped; run the same command again to go on") from None


def _once():
    """What shows a warning: its words, without where they stand in the code, and each warning once."""
    told = set()

    def show(message, *where):
        if str(message) not in told:
            told.add(str(message))
            click.echo(f"warning: {message}", err=True)

    return show


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="brainalign")
def main():
    """Which instructions make a multimodal language model see a picture as the brain does?"""


def _example(*lines):
    """The examples at the end of a command's help."""
    return "\b\nExample" + ("s" if len(lines) > 1 else "") + ":\n" + "\n".join("  " + line for line in lines)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def _progress(label):
    """A context and a callback (done, total, what): a bar on a terminal, elsewhere a line every half minute."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext(), _lines(label)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=console)
    task = bar.add_task(label, total=None)
    return bar, lambda done, total, what=None: bar.update(task, completed=done, total=total, description=what or label)


def _lines(label, every=30.0):
    last = time.monotonic()

    def update(done, total, what=None):
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            click.echo(f"{int(done)}/{total} {what or label}", err=True)

    return update


@main.command(epilog=_example("brainalign check /data/nsd", "brainalign check /data/nsd --deep --json"))
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Read every byte, also of files of full size: hours for all of NSD.")
@as_json
def check(root, deep, as_json):
    """Verify an NSD root before anything long starts; faults exit with 1.

    For each fault: the file, what was found, what was expected, what to do. Stop it with Ctrl-C: what was found until
    then is told.
    """
    from brainalign import nsd

    bar, update = _progress("reading (MB)") if deep else (nullcontext(), None)
    with bar:
        report = nsd.check(root, deep, update)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))
    sys.exit(1 if report.faults or report.stopped else 0)


@main.command(epilog=_example("brainalign demo demo-root", "brainalign demo demo-root --subjects 1,2 --sessions 2"))
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--subjects", default="1,2,5,7", show_default=True, help="Numbers of NSD's subjects, with commas.")
@click.option("--sessions", default=3, show_default=True, help="Sessions of the subject that came most often.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same bytes.")
@click.option("--space", type=click.Choice(["func1pt8mm", "fsaverage"]), default="func1pt8mm", show_default=True)
def demo(directory, subjects, sessions, seed, space):
    """Write a simulated NSD root in NSD's own layout, with the planted truth beside it."""
    from brainalign.demo.root import write_root

    try:
        numbers = tuple(int(part) for part in subjects.split(","))
    except ValueError:
        raise ValueError(f"--subjects is {subjects!r}; expected numbers with commas such as 1,2,5,7") from None
    bar, update = _progress("writing")
    with bar:
        write_root(directory, numbers, sessions, seed, space, progress=update)
    click.echo(f"{directory}: a simulated NSD root; see it with: brainalign check {directory}")


@main.command(epilog=_example("brainalign ask 12 IU3", 'brainalign ask photo.jpg "What do you see?" --json'))
@click.argument("image")
@click.argument("instruction")
@click.option("--model", default="llava-demo", show_default=True, help="A name of the table of models.")
@as_json
def ask(image, instruction, model, as_json):
    """Put an instruction to a model with a picture.

    IMAGE is a picture file or the id of a demo picture (0 to 72999), INSTRUCTION an id (IC, VQ1 ...) or any text.
    """
    from brainalign import live

    answer = live.ask(image, instruction, model)
    for note in answer["notes"]:
        click.echo(note, err=True)
    click.echo(json.dumps(answer, indent=2) if as_json else answer["answer"])


@main.command(
    "models",
    epilog=_example(
        "brainalign models",
        "brainalign models --json",
        "brainalign models --verify llava-1.5-7b --pictures photos",
    ),
)
@click.option("--verify", "name", metavar="NAME", help="Compare a model that is here with plain transformers.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="--verify: a folder, of which three picture files are taken; else three scenes of the demo.",
)
@click.option("--device", help="--verify: cpu, cuda ...; by default an accelerator if there is one.")
@click.option("--dtype", help="--verify: float32, bfloat16 or float16; by default the model's.")
@as_json
def models_(name, pictures, device, dtype, as_json):
    """List the models: what each is, what it needs, whether it can be loaded here, and what it was checked against.

    With --verify a model answers two questions about three pictures, and answers and states are compared with those
    of plain transformers; exits with 1 if they differ, or if nothing could be compared.
    """
    if name:
        from brainalign import live
        from brainalign.models import verify

        found = verify.verify(name, live.some_pictures(pictures), device, dtype)
        click.echo(json.dumps(found, indent=2) if as_json else verify.as_text(found))
        sys.exit(0 if found["equal"] else 1)
    from brainalign.models import listing

    found = listing.listing()
    click.echo(json.dumps(found, indent=2) if as_json else listing.as_text(found))


@main.command("demo-score", epilog=_example("brainalign demo-score --n 500 --seed 4242 --json"))
@click.option("--n", default=500, show_default=True, help="How many scenes.")
@click.option("--seed", default=4242, show_default=True, help="Seed of the scenes.")
@click.option("--model", default="llava-demo", show_default=True)
@as_json
def demo_score(n, seed, model, as_json):
    """Exact-match rate of the demo's model on unseen scenes, for each of the ten instructions."""
    from brainalign.demo.score import score

    bar, update = _progress("answering")
    with bar:
        rates = score(model, n, seed, progress=update)
    if as_json:
        click.echo(json.dumps(rates, indent=2))
        return
    for key, rate in rates.items():
        click.echo(f"{key:4} {rate:.3f}")
    click.echo(f"mean {sum(rates.values()) / len(rates):.3f}   ({n} scenes)")


@main.command(epilog=_example("brainalign run data/study-demo.toml"))
@click.argument("study", type=click.Path(path_type=Path))
def run(study):
    """Compute what a study asks for; stop it anywhere and run it again to go on."""
    from brainalign import jobs
    from brainalign.study import load

    bar, update = _progress("planning")
    with bar:
        done = jobs.run(load(study), progress=update)
    for line in jobs.warnings(done):
        click.echo(f"warning: {line}", err=True)
    click.echo(f"finished; show it with: brainalign publish {study}")


@main.command(epilog=_example("brainalign publish data/study-demo.toml"))
@click.argument("study", type=click.Path(path_type=Path))
def publish(study):
    """Build the versioned results database that the app opens from a study's result files."""
    from brainalign import jobs
    from brainalign.study import load

    click.echo(f"published {jobs.publish(load(study))}")


@main.command(
    epilog=_example(
        "brainalign bench ridge --json",
        "brainalign bench banded --n 1800 --p 820 --t 600",
        "brainalign bench nulls --seeds 10 --out runs/nulls",
    )
)
@click.argument("what", type=click.Choice(["ridge", "banded", "extract", "app", "ceilings", "nulls"]))
@click.option("--n", type=int, help="Training images; extract: pictures.")
@click.option("--p", type=int, help="Dimensions of a feature space; extract: instructions.")
@click.option("--t", type=int, help="Units; extract: tokens of an answer at most.")
@click.option("--repeats", default=3, show_default=True, help="Interleaved runs, of which the median counts.")
@click.option("--device", help="cpu, cuda ...; by default an accelerator if there is one.")
@click.option("--store", type=click.Path(exists=True, path_type=Path), help="app: a store; else the demo's.")
@click.option("--seeds", default=50, show_default=True, help="nulls: simulated studies that nothing explains.")
@click.option("--out", type=click.Path(path_type=Path), help="nulls: a folder that keeps counts, to go on from.")
@as_json
def bench(what, n, p, t, repeats, device, store, seeds, out, as_json):
    """Time BrainAlign beside its peers in the same run, with their agreement; or count its false claims.

    ridge: one feature space; banded: two of them on a grid of weights; extract: answers and states of a LLaVA for
    pictures and instructions, and a live answer. Sizes suit the device unless given. app: what a reader of the app
    waits for, in a headless browser beside a bare selectbox; needs playwright and Chromium. ceilings: r / ceiling of a
    perfect predictor in each region of the simulated cortex, at 3 and at 40 sessions; it should be 1. nulls: how often
    the pages claim what is not there, in simulated studies that no model explains, and in 0.4 times as many that one
    instruction drives.
    """
    from brainalign import bench

    if what == "app":
        found = bench.app(store, repeats)
    elif what == "ceilings":
        found = bench.ceilings()
    elif what == "nulls":
        bar, update = _progress("studies")
        with bar:
            found = bench.nulls(seeds, out, update)
    else:
        found = getattr(bench, what)(n, p, t, repeats=repeats, device=device)
    click.echo(json.dumps(found, indent=2) if as_json else bench.as_text(found))


FIGURE_CHOICES = {
    "subject": "Subjects, with commas; several make a grid of flatmaps.",
    "quantity": "r, r2, r_norm (over the noise ceiling); flatmaps also layer, winner, shared, unique_a, unique_b, "
    "unique, nc, across.",
    "model": "A model of the store.",
    "instruction": "An instruction's id; several, with commas, make a grid of flatmaps.",
    "pooling": "Which hidden states, such as mean_generated.",
    "layer": 'A number, "chosen" by training images, or "best".',
    "threshold": "Flatmaps: the lowest noise ceiling shown, in percent.",
    "outlines": "Flatmaps: areas, streams, none, chosen (see --families), or regions with commas.",
    "families": "Flatmaps: with --outlines chosen, families of regions with commas.",
    "second": "Flatmaps: colours fade with the noise ceiling (ceiling) or with significance (q).",
    "among": "Flatmaps of winners: instructions, models or layers.",
    "margin": "Flatmaps of winners: a lead up to this is a tie.",
    "limits": "Flatmaps: ends of the colours, such as 0,0.5; of signed maps the same on both sides of 0.",
    "vmin": "Flatmaps: the low end alone ...",
    "vmax": "... or the high one.",
    "difference": "Flatmaps: False leaves out what a link subtracts.",
    "minus_model": "Flatmaps: subtract the map of this model ...",
    "minus_instruction": "... or of this instruction.",
    "by": "A bar or line for each instruction, or for each model.",
    "instructions": "Which bars or lines, with commas.",
    "models": "Which bars or lines, with commas.",
    "lines": "Layers: a line for each instruction or model; or roi, for one instruction. Flatmaps: thin, medium or "
    "bold outlines.",
    "depth": "Layers of models: by layer, or relative to each model's last.",
    "reference": "Bars: mark significant differences from this one.",
    "order": "Bars: regions by family or by value.",
    "bars": "Bars: instructions as in their table or by level, from perception to reasoning.",
    "regions": "Families of regions, with commas.",
    "a": "The first of two instructions that share variance.",
    "b": "The second.",
    "square": "Part of every two instructions' variance: shared, or unique_a (of the row beyond the column).",
    "three": "Three instructions that share variance, with commas.",
    "part": "Matrix: shared, unique_a or unique_b.",
    "map": "Matrices: which instruction's or model's.",
    "sorted": "Matrices: pictures in the order of the region or of the model.",
    "roi": "The region; comparisons also early or high, all areas of a level.",
}


def _choices(command):
    for key, text in reversed(FIGURE_CHOICES.items()):
        command = click.option(f"--{key.replace('_', '-')}", key, help=text)(command)
    return command


@main.command(
    epilog=_example(
        "brainalign figure flatmap --out map.pdf --width-mm 180",
        "brainalign figure rois --by model --out rois.svg --width-mm 85 --bundle",
        "brainalign figure flatmap --subject subj01,subj02 --instruction IC,VQ1 --out grid.png --dpi 600",
        "brainalign figure flatmap --out map.func.gii",
        "brainalign figure panels data/figure-demo.toml --out figure.pdf",
    )
)
@click.argument("kind")
@click.argument("description", required=False, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file; its ending says what it holds.")
@click.option("--store", type=click.Path(path_type=Path), help="A store; else the demo's, which ships.")
@click.option("--width-mm", type=float, help="Width of the page: 85 for a column, 180 for two.  [default: 180]")
@click.option("--dpi", type=int, help="Of the map's pixels and of a PNG.  [default: 300]")
@click.option(
    "--font", help="Name of an installed font.  [default: Helvetica or Arial if installed, else DejaVu Sans]"
)
@click.option("--bundle", is_flag=True, help="Also a .zip with all formats, data, query, link, versions and caption.")
@click.option("--link", help="A page's address: the same choices, unless given here.")
@click.option(
    "--like", type=click.Path(path_type=Path), help="For .nii.gz: a NIfTI file of the subject in the same space."
)
@_choices
def figure(kind, description, out, store, width_mm, dpi, font, bundle, link, like, **asked):
    """Make a figure for a paper, or write what it shows for other tools.

    KIND is what a page of the app shows; or panels, with a TOML file that describes several of them.

    \b
      Flatmaps  flatmap
      ROIs      rois
      Layers    layers; chosen (the layer each area chooses); shares (what states depend on)
      Variance  variance (two instructions); triple (three); unique (each beyond all others);
                matrix (one with all others, by region); pairs (every two in a region)
      RSA       rsa (similarity by region); rsa-layers; rdms (matrices and pictures in the plane)
      Compare   compare (one model minus the others); specialisation (instructions by regions)
      Overview  coverage (what the store holds)

    --out ends in .pdf, .svg or .png; .csv or .parquet for the data; .zip for all of it; and for one flatmap
    .func.gii (GIFTI of fsaverage5, a file a hemisphere; of classes, such as winners, .label.gii), .nii.gz or .hdf
    (pycortex). Classes carry their names and colours; in .nii.gz they stand in a .tsv beside it.
    """
    from brainalign import paper

    made = paper.command(kind, description, out, store, width_mm, dpi, bundle, link, like, font, asked)
    click.echo("\n".join(str(path) for path in made))


if __name__ == "__main__":
    main()
