"""Finds out which servers an address's mail lies on: presets, autoconfig, SRV, MX, autodiscover, a guess.

Knows HTTP, DNS and presets; never logs in, sends no secret, and believes what it reads as little as a stranger.
"""
