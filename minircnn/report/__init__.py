"""The end of a run, and what people look at.

`finish.py` measures the chosen weights and has the report written; `page.py` writes it, `facts.py` says what the run
was, `charts.py` draws its curves, `pictures.py` its photographs. `drawing.py` draws boxes into a picture's pixels.
"""

import os

# A notebook hands the backend that it draws with down to the programs it starts, where that is often not installed, and
# matplotlib then refuses to load. Nothing here draws on a screen.
_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402, F401

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend
