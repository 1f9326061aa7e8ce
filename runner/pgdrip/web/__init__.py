"""The public pages (extra ``web``): unsubscribe links, health. Never imported by the core."""
