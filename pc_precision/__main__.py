"""`python -m pc_precision NAME`: the queue, where only JAX and its kin are installed; `pc-precision` does more."""
import sys

from .queue import main

sys.exit(main())
