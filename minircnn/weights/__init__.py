"""Weights on disk: `model_file.py` is the project's own format; there is one file for each of other people's, and
`vgg16.py` makes the same named parameters of what they hold; `detector.py` the Fast R-CNN authors' models."""
