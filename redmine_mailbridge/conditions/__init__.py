"""Decides what is wrong: one list of conditions for `status`, `health`, `/readyz`, alerts, the overview and `check`.

Computes it from what the store has observed and the settings; writes nothing and connects to nothing.
"""
