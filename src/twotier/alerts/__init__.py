"""Incidents: what opens them, what ends them, who hears of them, and when."""
