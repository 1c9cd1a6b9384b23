"""Find texts near the decision boundary of a finished run: `python synthesize.py --help`."""

from vos.cli.main import synthesize as main

if __name__ == "__main__":
    main()
