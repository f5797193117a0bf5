"""Leased workers: claims of takes over the API, the long poll, renewals, results, and what follows lost leases."""
