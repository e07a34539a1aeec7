"""What Redmine's own mail handler made of mails, and what the bridge makes of them: the parts of redmine-handler."""
