-- Why: a number that is not on WhatsApp is a fact about that person, not a fault of the message or of its sender: a reason of
-- its own. In a file of its own, committed before the one that uses it. Locks: none that matter.
-- The previous version meanwhile: works as before; it never writes the new value.
alter type drip.reason add value if not exists 'not_on_whatsapp' after 'no_address';
