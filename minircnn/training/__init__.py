"""Training, in the order of a run.

`settings.py` what was asked; `data.py` the data, checked; `begin.py` the first weights; `batches.py` one minibatch;
`optim.py` SGD; `steps.py` steps, bit for bit and without a disk; `loop.py` takes them until somebody asks to stop;
`train.py` a run: log, validation, and on disk what `checkpoint.py` and `run_folder.py` leave there. `warm_up.py`
compiles the kernels beforehand.
"""
