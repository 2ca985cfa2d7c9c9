"""`minircnn eval`: a trained detector over a data set's split, its measures printed and written as JSON.

The passing over images is in `detection/evaluate.py`, the measures in `metrics/`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.cli.console import Console, on_interrupt
from minircnn.cli.figures import check_figures, figure, print_measures, write_figures

if TYPE_CHECKING:
    from minircnn.data import Samples


def evaluate(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the split.")],
    split: Annotated[
        str, typer.Option(help="train, validation, test; all of data without splits; or a list, FILE.txt.")
    ] = "validation",
    format: Annotated[str, typer.Option(help="Format of --data; told from its content if absent.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Only the first N images.")] = None,
    proposals: Annotated[
        Path | None, typer.Option(help="Folder that caches proposals, or holds your own; not kept if absent.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count broken files.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Measure a detector on a data set: COCO's AP and Pascal VOC's, per class.

    Example: minircnn eval runs/first --data scenes --split validation
    """
    import tempfile
    import time

    from minircnn.base.errors import InputError
    from minircnn.data import open_samples
    from minircnn.detection.evaluate import evaluate_model, own_proposals
    from minircnn.proposals import open_proposals, proposal_recall
    from minircnn.training.data import with_proposals
    from minircnn.weights.model_file import load_model

    check_figures(json)
    detector = load_model(model)
    kept = f"the proposals so far are in {proposals}" if proposals else "nothing was written"
    with Console() as console, tempfile.TemporaryDirectory() as scratch, on_interrupt(kept):
        samples = open_samples(
            data,
            split,
            format,
            classes=detector.class_names,
            only_known=False,
            limit=limit,
            skip_bad=skip_bad,
            progress=console,
        )
        notes = _check_classes(detector.class_names, model, data, samples)
        if proposals is not None and not detector.searches:
            raise InputError(f"{model} proposes its regions itself: leave out --proposals")
        cache = open_proposals(proposals or scratch, detector.search) if detector.searches else None
        samples, left_out = with_proposals(samples, cache, console, skip_bad)
        for sentence in left_out:
            console.say(f"skipped: {sentence}")
        for sentence in notes + (cache.notes if cache else []):
            console.say(f"note: {sentence}")
        began = time.perf_counter()
        measures, _, truths = evaluate_model(detector, samples, cache.get if cache else None, progress=console)
        seconds = time.perf_counter() - began
        proposed = cache.get if cache else own_proposals(detector)
        recall = proposal_recall((proposed(truth), truth.learned()[0]) for truth in truths)
    metrics = measures.as_metrics() | {"proposal_recall50": recall[0.5], "proposal_recall70": recall[0.7]}
    metrics["seconds_per_image"] = seconds / max(1, len(truths))
    write_figures(json, "eval", metrics | {"skipped": left_out})
    print_measures(metrics)
    print(f"proposals reach {figure(recall[0.5])} of the true boxes at IoU 0.5, {figure(recall[0.7])} at 0.7")
    counted = "from proposals on" if detector.searches else "proposals included"
    print(f"{len(truths)} images in {seconds:.1f} s, {1000 * metrics['seconds_per_image']:.0f} ms each, {counted}")


def _check_classes(known: tuple[str, ...], model: Path, data: Path, samples: "Samples") -> list[str]:
    """Classes that only the data or only the detector knows, in sentences.

    InputError where the data lists its classes, and not the detector's; or where it shows none of them.
    """
    from minircnn.base.errors import InputError

    there, notes = samples.names, []
    if missing := [name for name in known if name not in there]:
        its = f"{', '.join(there[:8])}{', …' if len(there) > 8 else ''}"
        alone = f"{model} finds {', '.join(missing)}, not among the classes of {data} ({its})"
        if samples.names_listed or len(missing) == len(known):
            raise InputError(f"{alone}; give data with these classes, called so")
        notes.append(alone)
    if others := [name for name in there if name not in known]:
        notes.append(f"{model} was not taught {', '.join(others)}: their boxes do not count")
    return notes
