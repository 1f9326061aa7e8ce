-- Why: a free text on WhatsApp may be sent only while the contact's 24-hour session is open; that it is not is a reason of its
-- own, which waits or skips the step. In a file of its own, committed before the one that uses it. Locks: none that matter.
-- The previous version meanwhile: works as before; it never writes the new values.
alter type drip.reason add value if not exists 'session_closed' after 'template_unavailable';
alter type drip.reason add value if not exists 'session_missed' after 'session_closed';
