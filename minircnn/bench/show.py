"""A benchmark's rows as a table of at most 100 columns, and as a bar chart: what `minircnn bench` prints and draws."""

from collections.abc import Sequence
from pathlib import Path

from minircnn.base.files import check_target, written_whole
from minircnn.bench.measure import Row

MADE_BY = "minircnn bench"  # in a chart's metadata: only such files are ever written over
HEADER = f"{'':23} {'minircnn':>10}  {'fastest peer':>12}  {'':26} {'ratio':>6} {'% peak':>7} {'error':>8}"


def machine_lines(machine: dict, peak: float) -> list[str]:
    """The machine, in a few lines, warnings last."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads; SGEMM peak {peak:.0f} GFLOP/s",
        *machine["blas"],
        f"Python {machine['python']}, {versions}",
    ]
    return lines + [f"warning: {sentence}" for sentence in machine["warnings"]]


def table_line(row: Row) -> str:
    """One row: ours and the fastest peer in ms, how many times faster ours is, share of the peak, error."""
    fastest = min(row.peers, key=row.peers.__getitem__, default="")
    theirs = f"{row.peers[fastest]:12.1f}" if fastest else f"{'-':>12}"
    ratio = f"{row.ratio:6.2f}" if row.ratio is not None else f"{'-':>6}"
    peak = f"{row.percent_of_sgemm_peak:7.0f}" if row.percent_of_sgemm_peak is not None else f"{'':7}"
    error = f"{row.max_error:8.0e}" if row.max_error is not None else f"{'':8}"
    return f"{row.name:23} {row.ours_ms:10.1f}  {theirs}  {fastest:26} {ratio} {peak} {error}".rstrip()


def peer_lines(row: Row) -> list[str]:
    """Where more than PyTorch was asked: each of them, the fastest first, in the columns of `table_line`."""
    if len({name.split()[0] for name in row.peers}) < 2:
        return []
    peers = sorted(row.peers, key=row.peers.__getitem__)
    return [f"{'':36}{row.peers[name]:12.1f}  {name:26} {row.peers[name] / row.ours_ms:6.2f}" for name in peers]


def save_plot(path: Path, rows: Sequence[Row], title: str) -> None:
    """Bars of the ratio, row by row; beyond the line at 1 minircnn is faster."""
    import minircnn.report  # noqa: F401 (sees to how matplotlib is loaded)

    from matplotlib.figure import Figure  # isort: skip

    compared = {row.name: row.ratio for row in rows if row.ratio is not None}
    figure = Figure(figsize=(9, 1.2 + 0.26 * max(1, len(compared))), layout="constrained")
    axes = figure.subplots()
    ratios = list(compared.values())
    colours = ["tab:green" if ratio >= 1 else "tab:red" for ratio in ratios]
    axes.barh(list(compared), [ratio - 1 for ratio in ratios], left=1, color=colours)
    for y, ratio in enumerate(ratios):
        side = "left" if ratio >= 1 else "right"
        axes.text(ratio, y, f" {ratio:.2f} ", va="center", ha=side, fontsize=8)
    axes.axvline(1, color="k", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.margins(x=0.15)
    axes.set_ylim(len(compared) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="times as fast as the fastest peer", title=title)
    kind = path.suffix.lstrip(".").lower() or "png"
    metadata = {"Software" if kind == "png" else "Creator": MADE_BY}
    with written_whole(path, "choose another --plot") as temporary:
        figure.savefig(temporary, format=kind, dpi=110, metadata=metadata)


def check_plot(path: Path) -> None:
    """`--plot FILE`, before the work: InputError where it cannot be written, or is a file of somebody else's."""
    check_target(path, "--plot", (".png", ".svg", ".pdf"), MADE_BY, lambda file: MADE_BY.encode() in file.read_bytes())
