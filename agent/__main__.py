"""`python -m agent` is the `storeforward` command."""

from agent.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
