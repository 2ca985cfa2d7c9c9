"""The end of a run, and what people look at.

`finish.py` measures the chosen weights and has the report written; `page.py` writes it, `charts.py` draws its curves,
`drawing.py` boxes on a picture.
"""
