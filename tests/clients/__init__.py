"""Real clients, headless, each through a real `twotier up` to both tiers."""
