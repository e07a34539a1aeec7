"""The nouns that several rooms speak of: mail, mailbox, plan, stored mail. Values, no behaviour."""
