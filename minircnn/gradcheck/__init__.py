"""Gradient checks: every backward against what nudging the input does to the loss.

Start with `finite_differences.py`, which compares; `cases.py` says what with what, from single layers to the whole
detector. `minircnn gradcheck` prints the rows.
"""
