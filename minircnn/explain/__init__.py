"""The gradient page: one HTML file in which the loss that moves a box travels back, number by number.

`scenario.py` holds the worked example, computed by the project's own kernels; `page.py` puts the page together from
the files in `parts/`; `capture.py` takes one step of a trained model for the last screen.
"""
