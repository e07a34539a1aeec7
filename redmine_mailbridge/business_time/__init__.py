"""Time as a help desk counts it: business hours, holidays and crontab lines. Pure.

May know values and times; reads no file, no clock, no Redmine and no store.
"""
