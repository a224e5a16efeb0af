"""`python -m pc_precision NAME`: the queue, where only JAX and its kin are installed; `pc-precision` does more."""
import sys

from .runs.queue import main

if __name__ == "__main__":
    sys.exit(main())
