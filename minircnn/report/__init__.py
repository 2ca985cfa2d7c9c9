"""The end of a run, and what people look at.

`finish.py` measures the chosen weights and has the report written; `page.py` writes it, `facts.py` says what the run
was, `charts.py` draws its curves, `pictures.py` its photographs. `drawing.py` draws boxes into a picture's pixels.
"""
