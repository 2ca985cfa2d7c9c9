"""`minircnn compare`: `systems.py` trains and measures one system, `run.py` all of them, each in its own process."""
