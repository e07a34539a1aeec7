"""A mail about an issue: what it is made of, who gets it, and how it is composed."""
