"""VGG16 in anybody's file.

`formats.py` tells the format by what is in the file and asks one of the `…_file.py` readers; each gives the arrays as
`stored.py` describes them, none of them read yet. `vgg16_names.py` finds the layers by name, `pixels.py` what their
pixels were, `source.py` puts an array in this project's order, and `vgg16.py` is all of it together. `detector.py`
reads the authors' own detectors, `convert.py` writes what was read as one of our files.
"""
