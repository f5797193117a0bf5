"""The paths that monitoring asks for again and again."""

from typing import Final

LIVENESS_PATH: Final = "/healthz"
READINESS_PATH: Final = "/readyz"
HEALTH_PATHS: Final = (LIVENESS_PATH, READINESS_PATH)
METRICS_PATH: Final = "/metrics"
QUIET_PATHS: Final = frozenset({*HEALTH_PATHS, METRICS_PATH})
