"""Training, in the order of a run.

`settings.py` what was asked; `data.py` the data, checked; `begin.py` the first weights; `batches.py` one minibatch;
`optim.py` SGD; `step.py` one step; `train.py` the loop; `checkpoint.py` and `run_folder.py` what it leaves on disk;
`warm_up.py` compiles the kernels beforehand. `pretrain.py` is a run of its own, before any detector's: it teaches a
backbone.
"""
