"""Mail that a mail server hands to `redmine-mailbridge deliver`: the folder in which it waits, and how it is read."""
