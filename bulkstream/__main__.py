"""`python -m bulkstream` is the same as `bulkstream`."""

from bulkstream.cli import main

if __name__ == "__main__":
    main()
