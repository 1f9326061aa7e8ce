"""Reading a mailbox (extra ``inbox``): what comes back by mail becomes facts in the database."""
