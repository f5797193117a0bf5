"""Webhooks: registering them, and delivering events to them with retries, signatures and SSRF protection."""
