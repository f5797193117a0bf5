"""Names of REST v3: its path prefix, and the fields that it calls differently than the domain."""

PREFIX = "/api/v3"
DOMAIN_NAMES = {"video_url": "output_url"}
REST_NAMES = {"output_url": "video_url"}
