"""KWatt places inference services on NPUs within watt and throughput budgets."""

__version__ = "0.1.0"
