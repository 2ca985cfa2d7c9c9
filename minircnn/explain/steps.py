"""The steps of the page's screen 8: which lines of the project do what, in the order of the journey.

Each names a function and what stands in the lines to be lit; `source.py` finds them.
"""

from minircnn.explain.source import Step

STEPS = (
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
    ),
    Step(
        "build",
        "models/heads.py",
        "output_layers",
        ("cls_score = linear(", "bbox_pred = linear("),
        ("Build the two output layers", "출력층 두 개 만들기"),
        (
            "K + 1 columns and 4(K + 1) columns; both linear, with no ReLU after either.",
            "하나는 K + 1열, 하나는 4(K + 1)열입니다. 둘 다 선형이고 뒤에 ReLU가 없습니다.",
        ),
    ),
    Step(
        "outputs",
        "models/heads.py",
        "Head.forward",
        ("hidden6 =", "hidden7 =", "return self.cls_score.forward"),
        ("fc6, fc7, and both outputs", "fc6, fc7, 그리고 두 출력"),
        ("The two outputs read the same hidden7.", "두 출력이 같은 hidden7을 읽습니다."),
    ),
    Step(
        "targets",
        "boxes.py",
        "encode_boxes",
        ("return np.concatenate",),
        ("The targets", "목표값"),
        (
            "Centres in units of the proposal’s size, sizes as a logarithm.",
            "중심의 차이는 제안 영역의 크기를 단위로, 크기의 비는 로그로 나타냅니다.",
        ),
    ),
    Step(
        "class",
        "losses.py",
        "_softmax_cross_entropy_rows",
        ("dscores[r, k] = math.exp", "dscores[r, labels[r]] -= 1.0 / R"),
        ("Class loss: (p − onehot) / R", "클래스 손실: (p − onehot) / R"),
        ("R counts all sampled RoIs.", "R은 뽑힌 RoI 전체의 수입니다."),
    ),
    Step(
        "box",
        "losses.py",
        "_smooth_l1_rows",
        ("if labels[r] == 0", "dpred[r, column] = sigma2 * d / R", "dpred[r, column] = d / abs(d) / R"),
        ("Box loss: clip(d, −1, 1) / R", "박스 손실: clip(d, −1, 1) / R"),
        (
            "Only the true class’s four columns; background is passed over, and still counts in R.",
            "정답 클래스의 네 열에만 씁니다. 배경은 건너뛰지만 R에는 들어갑니다.",
        ),
    ),
    Step(
        "meet",
        "models/heads.py",
        "Head.backward",
        ("dhidden7 = ", "dhidden6 = ", "dflat = "),
        ("The two meet in fc7, and go on as one", "두 그래디언트가 fc7에서 만나 하나로 간다"),
        ("A plus sign is all it takes.", "필요한 것은 더하기 하나뿐입니다."),
    ),
    Step(
        "linear",
        "layers/linear.py",
        "Linear.backward",
        ("self.weight.grad =", "return matmul(dy"),
        ("Through a fully connected layer", "완전 연결층을 지나"),
        (
            "dx = dy · weightᵀ goes on; dweight = xᵀ · dy is kept for SGD.",
            "dx = dy · weightᵀ는 계속 거슬러 올라가고, dweight = xᵀ · dy는 SGD를 위해 남깁니다.",
        ),
    ),
    Step(
        "relu",
        "layers/relu.py",
        "ReLU.backward",
        ("return dy *",),
        ("Past a ReLU", "ReLU를 지나"),
        (
            "Times 1 where the gate was open, times 0 where it was closed.",
            "문이 열려 있었으면 1을, 닫혀 있었으면 0을 곱합니다.",
        ),
    ),
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
    ),
    Step(
        "convolutions",
        "models/fast_rcnn.py",
        "FastRCNN.backward",
        ("self.backbone.backward(self.backward_rois(",),
        ("On into the convolutions", "합성곱 속으로"),
        (
            "dfeatures is the gradient of the last convolution’s output; nothing goes to the rois.",
            "dfeatures는 마지막 합성곱 출력의 그래디언트입니다. rois로는 아무것도 가지 않습니다.",
        ),
    ),
)  # fmt: skip
