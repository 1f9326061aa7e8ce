"""`python -m benchmarks`: run every benchmark with its defaults."""

from __future__ import annotations

from benchmarks import planning, reports, tick

if __name__ == "__main__":
    planning.main()
    tick.main()
    reports.main()
