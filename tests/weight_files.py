"""Writers of VGG16 files in everybody's format, which share no code with the readers; and what PyTorch computes."""

from dataclasses import replace

import h5py
import numpy as np

from minircnn.models import vgg16

CONVOLUTIONS = [f"conv{block}_{number}" for block in range(1, 6) for number in range(1, 3 + (block > 2))]

WIDTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
NARROW = replace(  # a VGG16 of a moment, with a square fc7
    vgg16(), blocks=((4, 5), (6, 7), (8, 9, 10), (11, 12, 13), (14, 15, 16)), hidden=(24, 24)
)
DETECTOR = {"cls_score": 21, "bbox_pred": 84}


def random_arrays(widths, hidden=(24, 24), outputs=None, seed=0):
    """As Caffe and PyTorch have them: layer → weight (OC, C, 3, 3) or (OUT, IN), bias."""
    rng = np.random.default_rng(seed)
    arrays, C = {}, 3
    for name, OC in zip(CONVOLUTIONS, widths, strict=True):
        arrays[name] = draw(rng, OC, C, 3, 3), draw(rng, OC, fan=100)
        C = OC
    outputs = outputs or {"fc8": 9}
    arrays["fc6"] = draw(rng, hidden[0], C * 49), draw(rng, hidden[0], fan=100)
    arrays["fc7"] = draw(rng, hidden[1], hidden[0]), draw(rng, hidden[1], fan=100)
    for name, count in outputs.items():
        arrays[name] = draw(rng, count, hidden[1]), draw(rng, count, fan=100)
    return arrays


def draw(rng, *shape, fan=None):
    fan = fan or np.prod(shape[1:])
    return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan))


def channels_last(name, weight):
    """As Keras has them: (KH, KW, C, OC) or (IN, OUT), fc6's rows in the order of H, W, C."""
    if weight.ndim == 4:
        return np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    if name == "fc6":
        weight = weight.reshape(len(weight), -1, 7, 7).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return np.ascontiguousarray(weight.T)


def write_caffe(path, arrays, old=False):
    """Through protocol buffers' own library, from a schema built here."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe_subset.proto", package="caffe", syntax="proto2")
    F = descriptor_pb2.FieldDescriptorProto
    messages = {
        "BlobShape": [("dim", 1, F.TYPE_INT64, True, None)],
        "BlobProto": [
            *[(name, k, F.TYPE_INT32, False, None) for k, name in enumerate(("num", "channels", "height", "width"), 1)],
            ("data", 5, F.TYPE_FLOAT, True, None),
            ("shape", 7, F.TYPE_MESSAGE, False, "BlobShape"),
        ],
        "LayerParameter": [
            ("name", 1, F.TYPE_STRING, False, None),
            ("type", 2, F.TYPE_STRING, False, None),
            ("blobs", 7, F.TYPE_MESSAGE, True, "BlobProto"),
        ],
        "V1LayerParameter": [
            ("bottom", 2, F.TYPE_STRING, True, None),
            ("name", 4, F.TYPE_STRING, False, None),
            ("blobs", 6, F.TYPE_MESSAGE, True, "BlobProto"),
        ],
        "NetParameter": [
            ("name", 1, F.TYPE_STRING, False, None),
            ("layers", 2, F.TYPE_MESSAGE, True, "V1LayerParameter"),
            ("layer", 100, F.TYPE_MESSAGE, True, "LayerParameter"),
        ],
    }
    for message, fields in messages.items():
        entry = file.message_type.add(name=message)
        for name, number, kind, repeated, of in fields:
            label = F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL
            field = entry.field.add(name=name, number=number, type=kind, label=label)
            if of:
                field.type_name = f".caffe.{of}"
            if repeated and kind != F.TYPE_MESSAGE and kind != F.TYPE_STRING:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    net = message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))(name="VGG_ILSVRC_16_layers")
    layers = net.layers if old else net.layer
    layers.add(name="data")
    for name, pair in arrays.items():
        layer = layers.add(name=name)
        for array in pair:
            blob = layer.blobs.add()
            blob.data.extend(array.ravel())
            if old:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
            else:
                blob.shape.dim.extend(array.shape)
        layers.add(name=f"relu_{name}")
    path.write_bytes(net.SerializeToString())


def write_keras(path, arrays, style):
    """With h5py, the names of the files that Keras' applications download (Keras 1), or of a saved model (Keras 2)."""
    with h5py.File(path, "w") as file:
        root = file if style == "keras1" else file.create_group("model_weights")
        for name, (weight, bias) in arrays.items():
            layer = keras_name(name)
            group = root.create_group(layer)
            parts = ("W_1", "b_1") if style == "keras1" else ("kernel", "bias")
            for part, array in zip(parts, (channels_last(name, weight), bias), strict=True):
                where = f"{layer}_{part}:0" if style == "keras1" else f"{layer}/{part}:0"
                group.create_dataset(where, data=array)
        root.create_group("block1_pool")


def keras_name(name):
    dense = {"fc6": "fc1", "fc7": "fc2", "fc8": "predictions"}
    return dense[name] if name in dense else f"block{name[4]}_conv{name[6]}"


def write_onnx(path, arrays, style):
    """style "chain": Gemm with (OUT, IN), as PyTorch and the model zoo; "last": MatMul after a transposed flatten."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes, given, x = [], [], "x"
    for place, (name, (weight, bias)) in enumerate(arrays.items()):
        given.append(numpy_helper.from_array(bias, f"b{place}"))
        if weight.ndim == 4:
            given.append(numpy_helper.from_array(weight, f"w{place}"))
            nodes += [
                helper.make_node(
                    "Conv", [x, f"w{place}", f"b{place}"], [f"c{place}"], pads=[1] * 4, kernel_shape=[3, 3]
                ),
                helper.make_node("Relu", [f"c{place}"], [f"r{place}"]),
            ]
            x = f"r{place}"
            if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
                nodes.append(helper.make_node("MaxPool", [x], [f"p{place}"], kernel_shape=[2, 2], strides=[2, 2]))
                x = f"p{place}"
            continue
        if name == "fc6":
            if style == "last":
                nodes.append(helper.make_node("Transpose", [x], ["t"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Flatten", ["t" if style == "last" else x], ["flat"]))
            x = "flat"
        if style == "last":
            given.append(numpy_helper.from_array(channels_last(name, weight), f"w{place}"))
            nodes.append(helper.make_node("MatMul", [x, f"w{place}"], [f"m{place}"]))
            nodes.append(helper.make_node("Add", [f"m{place}", f"b{place}"], [f"y{place}"]))
        else:
            flipped = weight if style == "chain" else np.ascontiguousarray(weight.T)
            given.append(numpy_helper.from_array(flipped, f"w{place}"))
            gemm = helper.make_node("Gemm", [x, f"w{place}", f"b{place}"], [f"y{place}"], transB=int(style == "chain"))
            nodes.append(gemm)
        x = f"y{place}"
        if name in ("fc6", "fc7"):
            nodes.append(helper.make_node("Relu", [x], [f"r{place}"]))
            x = f"r{place}"
    graph = helper.make_graph(
        nodes,
        "vgg16",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, len(bias)])],
        given,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


def write_npz(path, arrays, style):
    """style "frossard": conv1_1_W, channels last; "chainer": conv1_1/W, channels first; "packed": that, compressed.

    "turned" is Frossard's with dense weights that are a transpose's view, which NumPy stores in columns.
    """
    if style in ("frossard", "turned"):
        lies = np.asfortranarray if style == "turned" else np.ascontiguousarray
        named = {
            f"{n}_{p}": lies(channels_last(n, a)) if p == "W" else a
            for n, pair in arrays.items()
            for p, a in zip("Wb", pair, strict=True)
        }
        np.savez(path, **named)
    else:
        named = {f"{n}/{p}": a for n, pair in arrays.items() for p, a in zip("Wb", pair, strict=True)}
        (np.savez_compressed if style == "packed" else np.savez)(path, **named)


def write_torch(path, arrays, zipped=True):
    import torch

    places, count = {}, 0
    for name in CONVOLUTIONS:
        places[name] = f"features.{count}"
        count += 2 + (name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3"))
    places |= {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
    state = {}
    for name, pair in arrays.items():
        for part, array in zip(("weight", "bias"), pair, strict=True):
            state[f"{places[name]}.{part}"] = torch.from_numpy(array)
    torch.save(state, path, _use_new_zipfile_serialization=zipped)


def write_safetensors(path, arrays):
    """With the library, in timm's names."""
    from safetensors.numpy import save_file

    count, named = 0, {}
    for name, (weight, bias) in arrays.items():
        if weight.ndim == 4:
            layer, count = f"features.{count}", count + 2 + (name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3"))
        else:
            layer = {"fc6": "pre_logits.fc1", "fc7": "pre_logits.fc2", "fc8": "head.fc"}[name]
            if name != "fc8":
                weight = weight.reshape(len(weight), -1, *((7, 7) if name == "fc6" else (1, 1)))
        named |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
    save_file(named, path)


WRITERS = {
    "safetensors": write_safetensors,
    "caffe": write_caffe,
    "caffe old": lambda path, arrays: write_caffe(path, arrays, old=True),
    "keras 1": lambda path, arrays: write_keras(path, arrays, "keras1"),
    "keras 2": lambda path, arrays: write_keras(path, arrays, "keras2"),
    "onnx": lambda path, arrays: write_onnx(path, arrays, "chain"),
    "onnx inputs first": lambda path, arrays: write_onnx(path, arrays, "gemm"),
    "onnx last": lambda path, arrays: write_onnx(path, arrays, "last"),
    "npz": lambda path, arrays: write_npz(path, arrays, "frossard"),
    "npz chainer": lambda path, arrays: write_npz(path, arrays, "chainer"),
    "npz turned": lambda path, arrays: write_npz(path, arrays, "turned"),
    "npz packed": lambda path, arrays: write_npz(path, arrays, "packed"),
    "torch": write_torch,
    "torch legacy": lambda path, arrays: write_torch(path, arrays, zipped=False),
}


def torch_logits(arrays, images):
    """images (N, 3, H, W) → what PyTorch computes from the arrays."""
    import torch
    from torch.nn import functional

    x = torch.from_numpy(images)
    with torch.no_grad():
        for name, (weight, bias) in arrays.items():
            weight, bias = torch.from_numpy(weight), torch.from_numpy(bias)
            if weight.ndim == 4:
                x = functional.relu(functional.conv2d(x, weight, bias, padding=1))
                if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
                    x = functional.max_pool2d(x, 2)
            else:
                x = functional.linear(x.flatten(1), weight, bias)
                x = functional.relu(x) if name in ("fc6", "fc7") else x
    return x.numpy()


def keras_network(arrays):
    """The arrays in a Keras model; set KERAS_BACKEND first."""
    import keras

    x = inputs = keras.Input((224, 224, 3))
    for name, (weight, _) in arrays.items():
        if weight.ndim == 4:
            x = keras.layers.Conv2D(len(weight), 3, padding="same", activation="relu")(x)
            if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
                x = keras.layers.MaxPooling2D()(x)
        else:
            x = keras.layers.Flatten()(x) if name == "fc6" else x
            x = keras.layers.Dense(len(weight), activation=None if name == "fc8" else "relu")(x)
    network = keras.Model(inputs, x)
    network.set_weights([array for name, (w, b) in arrays.items() for array in (channels_last(name, w), b)])
    return network


def keras_scores(network, images):
    """images (N, H, W, 3) → what Keras computes."""
    import keras

    return keras.ops.convert_to_numpy(network(images))


def onnxruntime_scores(path, images):
    """images (N, 3, H, W) → what onnxruntime computes, one by one, as the graph takes them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": image[None]})[0] for image in images])
