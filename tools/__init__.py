"""Scripts for developing pgdrip; none of them ships in the wheel."""
