"""Weights on disk. `model_file.py` is the project's own format, safetensors with a description."""
