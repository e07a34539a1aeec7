"""Computes hours, times, budgets and reports from what the store holds, and writes them as text. Pure.

Knows the store's row values and nothing else: no database, no Redmine, no clock.
"""
