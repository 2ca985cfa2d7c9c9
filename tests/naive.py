"""Slow twins: what kernels and measures should give, in plain Python loops, from the published rules.

They import nothing from the package.

Every function takes and gives NumPy arrays, channels last, and computes in float64 unless the rule itself says
float32 (RoI pooling's bins).
"""

import math

import numpy as np


def conv2d(x, w, b, stride, padding):
    """y[n,i,j,o] = b[o] + Σ x[n, i*s+u-p, j*s+v-p, c] w[u,v,c,o], zero off the map."""
    N, H, W, C = x.shape
    KH, KW, _, OC = w.shape
    padded = np.zeros((N, H + 2 * padding, W + 2 * padding, C))
    padded[:, padding : padding + H, padding : padding + W] = x
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    y = np.zeros((N, OH, OW, OC))
    for i in range(OH):
        for j in range(OW):
            window = padded[:, i * stride : i * stride + KH, j * stride : j * stride + KW]
            y[:, i, j] = np.einsum("nuvc,uvco->no", window, w) + b
    return y


def conv2d_gradients(dy, x, w, stride, padding):
    """Each product x*w in the sum gives dy*w to that x and dy*x to that w."""
    N, H, W, C = x.shape
    KH, KW, _, _ = w.shape
    padded = np.zeros((N, H + 2 * padding, W + 2 * padding, C))
    padded[:, padding : padding + H, padding : padding + W] = x
    dpadded, dw = np.zeros_like(padded), np.zeros(w.shape)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            rows, columns = slice(i * stride, i * stride + KH), slice(j * stride, j * stride + KW)
            dpadded[:, rows, columns] += np.einsum("no,uvco->nuvc", dy[:, i, j], w)
            dw += np.einsum("no,nuvc->uvco", dy[:, i, j], padded[:, rows, columns])
    return dpadded[:, padding : padding + H, padding : padding + W], dw, dy.sum(axis=(0, 1, 2))


def pool_sizes(length, size, stride, ceil_mode):
    """Starts of the windows: floor keeps whole windows, ceil adds one that is cut off but starts on the map."""
    if ceil_mode:
        starts, start = [], 0
        while True:
            starts.append(start)
            if start + size >= length:
                break
            start += stride
            if start >= length:
                break
        return starts
    return [s for s in range(0, length, stride) if s + size <= length] or [0]


def max_pool(x, size, stride, ceil_mode):
    """Maximum and first position of it (row-major) in each window; loops over everything."""
    N, H, W, C = x.shape
    tops, lefts = pool_sizes(H, size, stride, ceil_mode), pool_sizes(W, size, stride, ceil_mode)
    y = np.zeros((N, len(tops), len(lefts), C))
    argmax = np.zeros(y.shape, int)
    for n in range(N):
        for i, top in enumerate(tops):
            for j, left in enumerate(lefts):
                for c in range(C):
                    cells = [
                        (x[n, h, v, c], -(h * W + v))
                        for h in range(top, min(top + size, H))
                        for v in range(left, min(left + size, W))
                    ]
                    value, where = max(cells)
                    y[n, i, j, c], argmax[n, i, j, c] = value, -where
    return y, argmax


def scatter(dy, argmax, image_of, shape):
    """Add dy[k,...,c] to cell argmax of image image_of[k]; -1 goes nowhere."""
    N, H, W, C = shape
    dx = np.zeros((N, H * W, C))
    for index in np.ndindex(*dy.shape):
        if argmax[index] >= 0:
            dx[image_of[index[0]], argmax[index], index[-1]] += dy[index]
    return dx.reshape(shape)


def half_away(value):
    """C's round(): the nearest integer, halves away from zero."""
    whole = math.floor(abs(value))
    if abs(value) - whole >= 0.5:
        whole += 1
    return whole if value >= 0 else -whole


def roi_pool(features, rois, output_size, scale):
    """Fast R-CNN's RoI max pooling: rounded corners, inclusive ends, float32 bins, first maximum, empty bins 0 / -1."""
    _, H, W, C = features.shape
    PH, PW = output_size
    pooled = np.zeros((len(rois), PH, PW, C))
    argmax = np.full(pooled.shape, -1)
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (half_away(float(np.float32(np.float32(v) * np.float32(scale)))) for v in corners)
        width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
        bin_h, bin_w = np.float32(height) / np.float32(PH), np.float32(width) / np.float32(PW)
        for i, j in np.ndindex(PH, PW):
            top = y1 + math.floor(np.float32(i) * bin_h)
            bottom = y1 + math.ceil(np.float32(i + 1) * bin_h)
            left = x1 + math.floor(np.float32(j) * bin_w)
            right = x1 + math.ceil(np.float32(j + 1) * bin_w)
            cells = [(h, v) for h in range(top, bottom) for v in range(left, right) if 0 <= h < H and 0 <= v < W]
            for c in range(C):
                for h, v in cells:
                    value = features[int(image), h, v, c]
                    if argmax[r, i, j, c] < 0 or value > pooled[r, i, j, c]:
                        pooled[r, i, j, c], argmax[r, i, j, c] = value, h * W + v
    return pooled, argmax


def roi_align_samples(region, output_size, scale, ratio, aligned):
    """(bin row, bin column, y, x, samples of the bin) of every sample of one region, in cells."""
    offset = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (float(v) * scale - offset for v in region)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    PH, PW = output_size
    ny = ratio if ratio > 0 else max(math.ceil(height / PH), 0)
    nx = ratio if ratio > 0 else max(math.ceil(width / PW), 0)
    for i, j in np.ndindex(PH, PW):
        for a, b in np.ndindex(ny, nx):
            y = y1 + i * height / PH + (a + 0.5) * height / PH / ny
            x = x1 + j * width / PW + (b + 0.5) * width / PW / nx
            yield i, j, y, x, ny * nx


def bilinear_corners(y, x, H, W):
    """The four cells around (y, x) with their weights; none where it is off the map by more than a cell."""
    if not (-1 <= y <= H and -1 <= x <= W):
        return []
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), H - 1), min(int(x), W - 1)
    bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
    fy, fx = (y - top if top < H - 1 else 0.0), (x - left if left < W - 1 else 0.0)
    return [
        (top, left, (1 - fy) * (1 - fx)),
        (top, right, (1 - fy) * fx),
        (bottom, left, fy * (1 - fx)),
        (bottom, right, fy * fx),
    ]


def roi_align(features, rois, output_size, scale, ratio, aligned):
    """RoIAlign sample by sample: the mean of bilinear values; a sample off the map is 0 and counts."""
    pooled = np.zeros((len(rois), *output_size, features.shape[3]))
    for r, (image, *region) in enumerate(rois):
        for i, j, y, x, count in roi_align_samples(region, output_size, scale, ratio, aligned):
            for h, w, weight in bilinear_corners(y, x, *features.shape[1:3]):
                pooled[r, i, j] += weight * features[int(image), h, w] / count
    return pooled


def roi_align_backward(dpooled, rois, shape, scale, ratio, aligned):
    """Every sample's share of its bin's gradient, added to its four cells."""
    dfeatures = np.zeros(shape)
    for r, (image, *region) in enumerate(rois):
        for i, j, y, x, count in roi_align_samples(region, dpooled.shape[1:3], scale, ratio, aligned):
            for h, w, weight in bilinear_corners(y, x, *shape[1:3]):
                dfeatures[int(image), h, w] += weight * dpooled[r, i, j] / count
    return dfeatures


def cross_entropy(scores, labels):
    """Mean -log softmax(scores)[label], and its gradient (p - onehot) / R."""
    R = len(scores)
    loss, gradient = 0.0, np.zeros(scores.shape)
    for r in range(R):
        p = np.exp(scores[r].astype(float) - scores[r].max())
        p /= p.sum()
        loss -= math.log(p[labels[r]]) / R
        gradient[r] = p / R
        gradient[r, labels[r]] -= 1 / R
    return loss, gradient


def smooth_l1(pred, targets, labels, sigma):
    """Σ over foreground rows of 0.5 σ² d² (|d| < 1/σ²) or |d| - 0.5/σ², over all rows; gradient beside it."""
    R = len(pred)
    loss, gradient = 0.0, np.zeros(pred.shape)
    for r in range(R):
        if labels[r] == 0:
            continue
        for i in range(4):
            d = float(pred[r, 4 * labels[r] + i]) - float(targets[r, i])
            if abs(d) < 1 / sigma**2:
                loss += 0.5 * (sigma * d) ** 2 / R
                gradient[r, 4 * labels[r] + i] = sigma**2 * d / R
            else:
                loss += (abs(d) - 0.5 / sigma**2) / R
                gradient[r, 4 * labels[r] + i] = math.copysign(1, d) / R
    return loss, gradient


def sgd(value, velocity, gradient, lr, momentum, decay):
    """Caffe's rule: the learning rate is inside the velocity."""
    velocity = momentum * velocity + lr * (gradient + decay * value)
    return value - velocity, velocity


def iou(a, b):
    """Overlap of two boxes (x1, y1, x2, y2), width x2 - x1."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def nms(boxes, scores, threshold):
    """Take the best left, drop what overlaps it by more than the threshold."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou(boxes[best], boxes[i]) <= threshold]
    return kept


def voc_ap(recall, precision, eleven_points):
    """VOC2007's eleven points, or the area under the falling envelope."""
    if eleven_points:
        total = 0.0
        for k in range(11):
            best = 0.0
            for r, p in zip(recall, precision, strict=True):
                if round(r * 1e9) >= k * 10**8:
                    best = max(best, p)
            total += best / 11
        return total
    area, before = 0.0, 0.0
    for i, r in enumerate(recall):
        area += (r - before) * max(precision[i:])
        before = r
    return area
