-- Why: an address that could not be reached for now is a reason of its own: counted, and a bounce only when it lasts.
-- In a file of its own, committed before the one that uses it. Locks: none that matter.
-- The previous version meanwhile: works as before; it never writes the new value.
alter type drip.reason add value if not exists 'soft_bounced' after 'bounced';
