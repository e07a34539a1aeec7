"""Killing the bridge on purpose: at every boundary between two side effects, at random, and with cut connections."""
