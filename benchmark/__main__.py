"""`python -m benchmark` is `spanbench`."""

from benchmark.cli import main

if __name__ == "__main__":
    main()
