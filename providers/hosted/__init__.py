"""What clients of hosted services share: requests, retries, downloads, schemas of models, following an order."""
