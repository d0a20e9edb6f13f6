"""The project's own measurements; nothing here is imported by the package.

A *comparison* is a module with a `NAME` and a `measure(plan)`, which runs its contenders in turn, a *round* at a time,
as whole processes, and returns a JSON document. `python -m benchmarks` runs them all and writes `results/NAME.json`;
`python -m benchmarks.end_to_end --quick` runs one. `report` makes docs/performance.md and its plots of the results.
"""
