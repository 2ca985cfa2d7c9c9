"""R-CNN's stages after its network: `features.py` streams features to the disk, `svm.py`, `ridge.py` learn from them.

`stages.py` takes them one after another, fine-tuning first; what is finished is on the disk, and is not done again.
"""
