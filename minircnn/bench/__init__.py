"""How fast it is, beside the frameworks: `machine.py` says where, `measure.py` times, `cases.py` says what,
`torch_peer.py` does the same in PyTorch, `show.py` prints and draws it.
"""
