"""Whole tasks, from a folder to a folder: `demo.py`, `pretrain.py` (teaches a backbone), `finish.py` (measures a run
and writes its report), `picture_folder.py` (what `minircnn detect` fills). Above training and report, below the
commands.
"""
