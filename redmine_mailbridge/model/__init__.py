"""Values shared by several rooms: mail, mailbox, plan, stored mail. No behaviour."""
