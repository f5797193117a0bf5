"""Around all routes: security headers and CORS, proxies, request ids, and what is known from a request's head."""
