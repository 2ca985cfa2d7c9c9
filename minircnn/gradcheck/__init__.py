"""Gradient checks: `finite_differences.py` compares, `cases.py` says what with what."""
