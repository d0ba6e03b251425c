"""The parts of the benchmark: its environment, the servers, the load, the measures, the report."""
