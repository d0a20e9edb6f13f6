"""Loads that are killed at random, and resumed until they end.

A *load* is one run with all its processes: `bulkstream upload` first, `bulkstream resume` from then on. A *moment*
says when a process is killed (SIGKILL, its whole process group). The *witness* is the server's side: it sees which
process has sent which part. After each process the journal is read, and what the witness saw is held to it.

    python -m tests.crash       all of it: the result goes to benchmarks/results, the table to docs/reliability.md
"""
