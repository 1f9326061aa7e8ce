"""The report as one HTML page. Needs the extra ``report``."""
