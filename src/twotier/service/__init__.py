"""What other supervisors are asked and told: launchd and systemd, commands in, meaning out."""
