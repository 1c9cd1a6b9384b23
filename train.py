"""Train, refine and measure a classifier: `python train.py --help`."""

from vos.cli.main import train as main

if __name__ == "__main__":
    main()
