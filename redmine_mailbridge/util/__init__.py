"""What any room may use: small, without knowledge of mail, Redmine or the store."""
