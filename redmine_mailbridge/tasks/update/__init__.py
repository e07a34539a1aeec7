"""The task update: reads what happened in Redmine, mails agents' notes, carries out time-based rules."""
