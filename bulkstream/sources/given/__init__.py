"""What a program gives instead of a file: frames, and iterables of rows, batches or bytes.

A *frame* is anything that speaks the Arrow C stream interface. A *feed* hands the items of an asynchronous iterable to
the thread that reads them.
"""
