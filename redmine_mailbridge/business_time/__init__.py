"""Time in a help desk: business hours, holidays and crontab lines. Pure.

Handles values and times only; does not access files, clocks, Redmine or the store.
"""
