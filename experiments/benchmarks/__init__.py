"""Time and memory, one script per method: `python -m experiments.benchmarks.<method>`."""
