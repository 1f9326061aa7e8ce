-- Why: a message that is too large to be rendered made every claim fail, for all organizations. Its size is known before it is
-- rendered now, and what is too large is refused.
-- Locks: a type that no table has.
-- The previous version meanwhile: works as before; its rows of this type have the new column too, and it does not read it.

alter type drip_core.judged_step add attribute weights int[];
comment on type drip_core.judged_step is
'Of a step what judging its messages takes: what its channel asks for, merge fields with the values that are the same for all and how often each is mentioned (_message_weights), exit rules, the window in force.';
