"""`python -m minircnn` is the command line."""

from minircnn.cli import main

if __name__ == "__main__":
    main()
