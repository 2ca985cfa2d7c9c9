"""`minircnn bench`: picks rows and peers, prints the table; the work is in `minircnn/bench/`."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.cli.figures import check_figures, write_figures


def bench(
    against: Annotated[
        str,
        typer.Option(
            help="Peers, comma-separated, of torch, onnxruntime, openvino, ncnn, mnn, tensorflow, jax; all; or none."
        ),
    ] = "torch",
    only: Annotated[str | None, typer.Option(help='Only rows whose name holds this, as "conv3_1" or "dx".')] = None,
    memory: Annotated[bool, typer.Option("--memory", help="Also the peak memory of a VGG16 training step.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Three runs each, and no row of a second or more.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the rows here too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a bar chart here (png, svg, pdf).")] = None,
) -> None:
    """Time every part beside the frameworks, in turn and in one process: medians, errors, share of the BLAS peak.

    Example: minircnn bench --only conv --json bench.json
    """
    from minircnn.bench.cases import all_cases
    from minircnn.bench.machine import describe_machine, sgemm_peak
    from minircnn.bench.measure import measure
    from minircnn.bench.peers import Peers, chosen_peers
    from minircnn.bench.show import HEADER, check_plot, machine_lines, peer_lines, save_plot, table_line

    check_figures(json)
    if plot is not None:
        check_plot(plot)
    names = []
    for name, remedy in chosen_peers(against):
        if remedy is None:
            names.append(name)
        else:
            print(f"{name} is not installed and is left out: {remedy}")
    peers = Peers(tuple(names))
    cases = all_cases(peers)
    chosen = [name for name in cases if only is None or only in name]
    if not chosen:
        raise InputError(f"--only {only!r} names no row; the rows are: {', '.join(cases)}")
    if quick:
        chosen = [name for name in chosen if not name.startswith(SLOW)]
    machine, peak = describe_machine(), sgemm_peak()
    for line in machine_lines(machine, peak):
        print(line)
    print(HEADER, flush=True)
    rows = []
    for name in chosen:
        rows.append(measure(cases[name](), peak, runs=3 if quick or name.startswith(SLOW) else 7))
        figures = {"machine": machine, "sgemm_peak_gflops": peak, "rows": [row.to_dict() for row in rows]}
        write_figures(json, "bench", figures)  # after every row: whoever stops keeps what was measured
        print("\n".join([table_line(rows[-1]), *peer_lines(rows[-1])]), flush=True)
    if memory:
        from minircnn.bench.memory import peak_memory

        figures["vgg16_step_peak_gb"] = peaks = peak_memory(peers)
        write_figures(json, "bench", figures)
        print("peak memory of a vgg16 step: " + ", ".join(f"{name} {gb:.2f} GB" for name, gb in peaks.items()))
    if plot is not None:
        save_plot(plot, rows, f"minircnn on {machine['cpu']}, {machine['threads']} threads")
    for note in dict.fromkeys(row.note for row in rows if row.note):
        print(f"note: {note}")


SLOW = ("stack", "heads", "vgg16", "detect 300", "detect 2000", "detect 600")
