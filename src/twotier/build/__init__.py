"""From the configuration to the parts of the main process. Makes, and runs nothing."""
