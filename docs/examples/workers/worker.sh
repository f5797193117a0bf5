#!/usr/bin/env bash
# A worker that leases takes of Scenewire and renders each by a command: `worker.sh my-renderer --fast`. The command
# reads the lease as JSON from its input and writes its last argument, a video file. Needs curl and jq.
# Environment: SCENEWIRE_URL, SCENEWIRE_TOKEN, WORKER_NAME, WORKER_MODEL.
set -uo pipefail
worker=$(jq -n --arg name "${WORKER_NAME:-gpu-1}" --arg model "${WORKER_MODEL:-wan}" '{$name, models: [$model]}')

call() { # verb, JSON
  curl -sS --max-time 60 -H "content-type: application/json" -H "authorization: Bearer ${SCENEWIRE_TOKEN:-}" \
    --data "$2" "$SCENEWIRE_URL/api/v3/leases/$1"
}

renew() { # token, process: until the lease is lost, which ends the process
  while sleep 10; do
    call renew "{\"token\": \"$1\"}" | grep -q LEASE_LOST && kill "$2" 2>/dev/null && return
  done
}

while true; do
  answer=$(call claim "{\"worker\": $worker, \"lease_seconds\": 30}")
  lease=$(jq -c '.data.leases[0] // empty' <<<"$answer")
  [ -n "$lease" ] || { jq -e .data <<<"$answer" >/dev/null || sleep 5; continue; }
  token=$(jq -r .token <<<"$lease")
  clip=$(mktemp)
  "$@" "$clip" <<<"$lease" >/dev/null &
  rendering=$!
  renew "$token" "$rendering" &
  renewing=$!
  if wait "$rendering"; then
    jq -r '.clip.headers | to_entries[] | "\(.key): \(.value)"' <<<"$lease" |
      curl -sS -X PUT -T "$clip" -H @- "$(jq -r .clip.url <<<"$lease")"
    call finish "{\"token\": \"$token\"}"
  else
    call fail "{\"token\": \"$token\", \"code\": \"RENDER_FAILED\", \"message\": \"The command failed.\", \"retryable\": true}"
  fi
  kill "$renewing" 2>/dev/null
  rm -f "$clip"
done
