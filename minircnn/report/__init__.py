"""What people look at: `page.py` writes a run's report, `charts.py` its curves, `drawing.py` boxes on a picture."""
