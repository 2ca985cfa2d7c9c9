"""The steps of the page's screen 8: which lines of the project do what, in the order of the journey.

Each names a function and what stands in the lines to be lit; `source.py` finds them.
"""

from minircnn.explain.pooling_steps import BACKWARD, FORWARD
from minircnn.explain.source import Step

STEPS = (
    *FORWARD,
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
    *BACKWARD,
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
