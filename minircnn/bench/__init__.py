"""How fast it is, beside the frameworks: `machine.py` says where, `measure.py` times, `cases.py` says what.

`peers.py` knows whom to compare with: `torch_peer.py`, `engines.py` (inference engines), `graphs.py` (TensorFlow, JAX)
and `torchvision_peer.py` do the same work; `memory.py` measures a step's peak; `show.py` prints and draws.
"""
