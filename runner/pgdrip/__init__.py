"""pgdrip: a thin runner around the drip-campaign engine that lives inside PostgreSQL."""

__version__ = "0.2.0"
