"""Time as a help desk counts it: business calendars, and which rules of time are due.

Pure: may know values and the settings' own value types; reads no file, no clock, no Redmine and no store.
"""
