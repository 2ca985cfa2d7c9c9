"""The steps of the page's screen 8 that belong to one pooling or another: through the RoI layer and back."""

from minircnn.explain.source import Step

FORWARD = (
    Step(
        "snap",
        "kernels/roi_pool.py",
        "_forward",
        (*(f"{corner} = _round_half_away" for corner in ("x1", "y1", "x2", "y2")), "width = max(", "height = max("),
        ("RoI pooling: snap the region to cells", "RoI 풀링: 영역을 칸에 맞추기"),
        (
            "Pixels times spatial_scale, rounded; both end cells belong to it, so + 1.",
            "픽셀에 spatial_scale을 곱해 반올림합니다. 양 끝 칸이 모두 들어가므로 1을 더합니다.",
        ),
        ("pool",),
    ),
    Step(
        "average-snap",
        "kernels/roi_average.py",
        "_snapped",
        ("x1, y1 = _round_half_away", "x2, y2 = _round_half_away", "return y1, max("),
        ("Average pooling: snap the region to cells", "평균 풀링: 영역을 칸에 맞추기"),
        (
            "As RoI pooling does: pixels times spatial_scale, rounded; both end cells belong to it.",
            "RoI 풀링과 똑같습니다. 픽셀에 spatial_scale을 곱해 반올림하고 양 끝 칸이 모두 들어갑니다.",
        ),
        ("average",),
    ),
    Step(
        "round",
        "kernels/roi_pool.py",
        "_round_half_away",
        ("return math.floor",),
        ("Rounding, half away from zero", "반올림: 절반은 0에서 먼 쪽으로"),
        (
            "0.5 becomes 1 and −0.5 becomes −1, as in C. Python’s round takes both to 0.",
            "C처럼 0.5는 1, −0.5는 −1이 됩니다. 파이썬의 round는 둘 다 0으로 보냅니다.",
        ),
        ("pool", "average"),
    ),
    Step(
        "edges",
        "kernels/roi_pool.py",
        "_bin_edges",
        ("step = np.float32", "first = math.floor", "last = math.ceil", "return min(max(first"),
        ("The edges of a bin", "구역의 가장자리"),
        (
            "floor and ceil of float32 numbers; bins overlap; then they are cut to the map.",
            "float32로 계산한 값의 floor와 ceil이라 구역이 서로 겹칩니다. 그다음 맵 안으로 자릅니다.",
        ),
        ("pool", "average"),
    ),
    Step(
        "max",
        "kernels/roi_pool.py",
        "_forward",
        ("if value > best[c]", "best[c] = value", "where[c] = h * W + w", "where[:] = -1"),
        ("Keep the largest and where it stood", "가장 큰 값과 그 자리를 남기기"),
        (
            "Strictly larger: the first of equals wins. An empty bin has no winner: −1.",
            "엄격하게 커야 바뀌므로 같은 값이면 처음 것이 이깁니다. 빈 구역에는 승자가 없어 −1입니다.",
        ),
        ("pool",),
    ),
    Step(
        "average-mean",
        "kernels/roi_average.py",
        "_forward",
        ("mean[c] += features", "mean[c] /= cells"),
        ("The mean of every bin", "구역마다 평균 내기"),
        (
            "Every cell of the bin counts the same; an empty bin stays 0.",
            "구역 안의 칸은 모두 같은 몫으로 셉니다. 빈 구역은 0으로 남습니다.",
        ),
        ("average",),
    ),
    Step(
        "align-place",
        "kernels/roi_align_shares.py",
        "sides",
        ("start = (low * spatial_scale)", "size = (high * spatial_scale)"),
        ("RoIAlign: where the region lies", "RoIAlign: 영역의 자리"),
        (
            "Pixels times spatial_scale, half a cell back, and no rounding. First the rows, then likewise the columns.",
            "픽셀에 spatial_scale을 곱하고 반 칸을 뺄 뿐 반올림하지 않습니다. 행 방향과 열 방향을 따로 계산합니다.",
        ),
        ("align",),
    ),
    Step(
        "align-share",
        "kernels/roi_align_shares.py",
        "_fill_sides",
        ("share[r, p, low - first[r, p]] += (1 - lx)", "share[r, p, high - first[r, p]] += lx"),
        ("The shares of the cells around each sample", "표본을 둘러싼 칸들의 몫"),
        (
            "Along one direction at a time: the nearer cell has the larger share. A cell’s share is row times column.",
            "한 방향씩 계산하며 가까운 칸의 몫이 큽니다. 칸의 몫은 행의 몫 × 열의 몫입니다.",
        ),
        ("align",),
    ),
    Step(
        "align-mean",
        "kernels/roi_align.py",
        "_forward",
        ("share = share_h[r, ph, i] * share_w[r, pw, j]", "mean[c] += share * cell[c]"),
        ("The bin: each cell times its share", "구역: 칸의 값 × 몫"),
        (
            "Nobody wins: every cell that was read is in the sum.",
            "이기는 칸은 없습니다. 읽은 칸이 모두 합에 들어갑니다.",
        ),
        ("align",),
    ),
)  # fmt: skip

BACKWARD = (
    Step(
        "add",
        "kernels/roi_pool.py",
        "_backward",
        ("cell = argmax", "elif cell >= 0", "cells[n, cell, c] +="),
        ("Back through RoI pooling", "RoI 풀링을 거슬러"),
        (
            "Every pooled value’s gradient is added to the cell that won its bin.",
            "풀링된 값마다 그 그래디언트를 구역에서 이긴 칸에 더합니다.",
        ),
        ("pool",),
    ),
    Step(
        "average-add",
        "kernels/roi_average.py",
        "_backward",
        ("dfeatures[n, h, w, c] += dpooled[r, ph, pw, c] / cells",),
        ("Back through average pooling", "평균 풀링을 거슬러"),
        (
            "Every cell of the bin is given an equal share of the bin’s gradient.",
            "구역 안의 칸마다 구역의 그래디언트를 똑같이 나누어 더합니다.",
        ),
        ("average",),
    ),
    Step(
        "align-add",
        "kernels/roi_align.py",
        "_backward",
        ("share = share_h[r, ph, i] * share_w[r, pw, j]", "dcell[c] += share * d[c]"),
        ("Back through RoIAlign", "RoIAlign을 거슬러"),
        (
            "The same shares as in the forward; added, since bins and regions share cells.",
            "순전파 때와 같은 몫입니다. 구역끼리도 영역끼리도 칸이 겹치므로 더합니다.",
        ),
        ("align",),
    ),
    Step(
        "align-rois",
        "kernels/roi_align.py",
        "_backward_to_rois",
        tuple(f"drois[r, {side}] +=" for side in range(4)),
        ("And to the coordinates, if anybody asked", "그리고 좌표로: 묻는다면"),
        (
            "A side that moves carries its samples along, and their shares change. Training does not ask for it.",
            "변이 움직이면 표본도 따라 움직여 몫이 바뀝니다. 학습에서는 이 값을 쓰지 않습니다.",
        ),
        ("align",),
    ),
)  # fmt: skip
