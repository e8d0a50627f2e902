"""What a tier is asked when it is probed, how its answers are judged, and how a probe runs."""
