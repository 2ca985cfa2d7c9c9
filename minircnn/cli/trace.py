"""`minircnn trace`: one training step of a detector, layer by layer, as a table.

`explain/capture.py` takes the step, `models/trace.py` watches it.
"""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import check_figures, write_figures


def trace(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    image: Annotated[Path, typer.Option(help="A photograph; with its annotation where that lies in ../annos.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the RoIs that are drawn, and of dropout.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the rows here too.")] = None,
) -> None:
    """Print the journey of one training step: what leaves each layer, and the gradient that each loss brings it.

    Example: minircnn trace runs/demo --image photo.jpg
    """
    from minircnn.explain.capture import TRUTH, capture_step
    from minircnn.explain.scenario import SENT

    check_figures(json)
    step = capture_step(model, image, seed)
    labels = step.batch.labels
    write_figures(json, "trace", {
        "image": str(image), "truth_from": step.truth_from, "normalised": step.normalised,
        "rois": len(labels), "foreground": int((labels > 0).sum()),
        "losses": {"class": step.losses[0], "box": step.losses[1]},
        "rows": [{
            "layer": row.name, "shape": row.shape, "mean": row.mean, "norm": row.norm, "learns": row.learns,
            "gradient": {sent: one.norm for sent, one in zip(SENT, row.gradients, strict=False)},
            "weight_gradient": {sent: one.weight_norm for sent, one in zip(SENT, row.gradients, strict=False)},
        } for row in step.rows],
    })  # fmt: skip
    print(f"{len(labels)} RoIs, {(labels > 0).sum()} of them foreground; {TRUTH[step.truth_from]}")
    if not step.normalised:
        print("offsets are not normalised: only a run folder holds their statistics")
    print(f"class loss {step.losses[0]:.4f}, box loss {step.losses[1]:.4f}")
    print("forward, downwards: what leaves the layer; back, upwards: the norm of the gradient that arrives there\n")
    print(f"{'layer':26} {'shape':>20} {'mean':>9} {'norm':>9}   {'class':>9} {'box':>9} {'both':>9}   {'dweight':>9}")
    for row in step.rows:
        shape = "×".join(map(str, row.shape))
        norms = [f"{one.norm:9.2e}" for one in row.gradients] or [f"{'–':>9}"] * 3
        weight = row.gradients[-1].weight_norm if row.gradients else None
        last = f"{'–':>9}" if weight is None else f"{weight:9.2e}"
        print(f"{row.name:26} {shape:>20} {row.mean:9.4f} {row.norm:9.1f}   {' '.join(norms)}   {last}")
    if any(not row.gradients for row in step.rows):
        print("\n– where no gradient is computed: nothing at or below that layer learns")
