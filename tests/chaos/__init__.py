"""Kills, outages and bad luck under load, and a count of what was lost or done twice."""
