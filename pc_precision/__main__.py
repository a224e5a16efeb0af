"""`python -m pc_precision` is `pc-precision`."""
from .cli import main

if __name__ == "__main__":
    main(prog_name="pc-precision")
