"""The demo: a campaign of thirty days on a virtual clock. Needs the extra ``demo``."""
