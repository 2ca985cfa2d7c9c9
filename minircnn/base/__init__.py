"""What every room may use: `errors.py` faults of the user's making, `files.py` reading and writing files whole,
`progress.py` how far a stage is, `cores.py` how many cores there are."""
