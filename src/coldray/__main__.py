"""`python -m coldray` is the command `coldray`."""

from coldray.app.cli import main

if __name__ == "__main__":
    main()
