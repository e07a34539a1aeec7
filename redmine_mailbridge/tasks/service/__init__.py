"""The service: threads, the three tasks at their times, health, alerts."""
