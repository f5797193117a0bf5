# syntax=docker/dockerfile:1
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock requirements-explorer.lock ./
RUN python -m venv /venv && /venv/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
# Node builds the explorer page in this stage and is not part of the final image.
RUN python -m venv .venv && .venv/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements-explorer.lock
COPY web web
RUN web/build && rm -rf web/node_modules

FROM ${PYTHON_IMAGE}
# Fonts for captions in any script; without them captions are transliterated.
RUN apt-get update \
 && apt-get install -y --no-install-recommends fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home /app scenewire \
 && mkdir -p /app /data && chown scenewire /data
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app/web/dist web/dist
COPY server server
COPY execution execution
COPY resolvers resolvers
COPY subscriptions subscriptions
COPY schema schema
COPY coordinator coordinator
COPY providers providers
COPY models models
RUN python -m compileall -q server resolvers subscriptions schema coordinator providers models execution
USER scenewire
# SCENEWIRE_AUTH_SECRET or SCENEWIRE_AUTH_JWKS_URL must be set at run time; there is no safe default.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SCENEWIRE_HOST=0.0.0.0 \
    SCENEWIRE_PROFILE=production \
    SCENEWIRE_DATABASE_URL=sqlite+aiosqlite:////data/scenewire.db \
    SCENEWIRE_MEDIA_URL=/data/media
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"SCENEWIRE_PORT\", \"4000\")}/healthz', timeout=2)"]
CMD ["python", "-m", "server"]
