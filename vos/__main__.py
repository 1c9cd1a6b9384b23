"""`python -m vos train|synthesize`."""

from vos.cli.main import main

if __name__ == "__main__":
    main()
