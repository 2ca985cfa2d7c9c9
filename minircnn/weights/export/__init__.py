"""The way out: detectors as files that other programs run or load.

`onnx_detector.py` writes the whole of detection as an ONNX graph (`onnx_graph.py` puts its nodes together; layers,
boxes and proposals have a file each), `torchvision_names.py` the weights under torchvision's names. The way in is
`weights/foreign/`.
"""
