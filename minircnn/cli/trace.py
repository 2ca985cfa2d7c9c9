"""`minircnn trace`: one training step of a detector, layer by layer, as a table.

`explain/capture.py` takes the step, `models/trace.py` watches it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.cli.figures import check_figures, write_figures

if TYPE_CHECKING:
    from minircnn.explain.capture import CapturedStep


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

    check_figures(json)
    step = capture_step(model, image, seed)
    labels = step.drawn.labels
    losses = {word: step.losses[names[0]] for word, names in step.sent.items() if len(names) == 1}
    write_figures(json, "trace", {
        "image": str(image), "truth_from": step.truth_from, "normalised": step.normalised,
        "rois": len(labels), "foreground": int((labels > 0).sum()),
        "losses": losses,
        "rows": [{
            "layer": row.name, "shape": row.shape, "mean": row.mean, "norm": row.norm, "learns": row.learns,
            "gradient": {sent: one.norm for sent, one in zip(step.sent, row.gradients, strict=False)},
            "weight_gradient": {sent: one.weight_norm for sent, one in zip(step.sent, row.gradients, strict=False)},
        } for row in step.rows],
        "dropped": step.dropped,
    })  # fmt: skip
    print(f"{len(labels)} RoIs, {(labels > 0).sum()} of them foreground; {TRUTH[step.truth_from]}")
    if not step.normalised:
        print("offsets are not normalised: the file does not say by which statistics they were in training")
    print(", ".join(f"{word} loss {loss:.4f}" for word, loss in losses.items()))
    print("forward, downwards: what leaves the layer; back, upwards: the norm of the gradient that arrives there\n")
    heads = " ".join(f"{word:>9}" for word in step.sent)
    print(f"{'layer':26} {'shape':>20} {'mean':>9} {'norm':>9}   {heads}   {'dweight':>9}")
    for row in step.rows:
        shape = "×".join(map(str, row.shape))
        norms = [f"{one.norm:9.2e}" for one in row.gradients] or [f"{'–':>9}"] * len(step.sent)
        weight = row.gradients[-1].weight_norm if row.gradients else None
        last = f"{'–':>9}" if weight is None else f"{weight:9.2e}"
        print(f"{row.name:26} {shape:>20} {row.mean:9.4f} {row.norm:9.1f}   {' '.join(norms)}   {last}")
    if any(not row.gradients for row in step.rows):
        print("\n– where no gradient is computed: nothing at or below that layer learns")
    if "rpn_bbox_pred" in step.rows:
        _print_dropped(step)


def _print_dropped(step: "CapturedStep") -> None:
    """How much of the gradient joint training leaves out: the head's losses, by way of the proposals' coordinates."""
    own = dict(zip(step.sent, step.rows["rpn_bbox_pred"].gradients, strict=True))["rpn box"].norm
    print(f"\nthe anchors' offsets hear {own:.2e} from their own loss. Through the proposals' coordinates the head's")
    if step.dropped is None:
        print(
            "losses would say something too, were it not for RoI pooling's rounding (train --pooling align to see it)"
        )
    else:
        print(f"losses would say {step.dropped:.2e}, {step.dropped / max(own, 1e-30):.2f} times that: it is dropped")
