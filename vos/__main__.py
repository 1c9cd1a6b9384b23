"""`python -m vos train|synthesize|atlas`."""

from vos.cli.main import main

if __name__ == "__main__":
    main()
