"""``python -m pgdrip``."""

from pgdrip.cli import main

if __name__ == "__main__":
    main()
