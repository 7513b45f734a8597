"""Time and memory: those of no single method, and `python -m experiments.benchmarks`."""
