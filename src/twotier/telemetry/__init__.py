"""What operators see of requests: figures for Prometheus, spans, one log line. Never a text."""
