"""``python -m trocr``."""

from trocr.cli import main

if __name__ == "__main__":
    main()
