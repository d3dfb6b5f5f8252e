# shellcheck shell=bash
# Java programs for tests: jars from Maven Central, processes known by recorded pids. Sourced, never run.
#
# Jars are kept in WEIR_KAFKA_CACHE, by default ${XDG_CACHE_HOME:-~/.cache}/weir-kafka, one folder a program.
# A process belongs to us if its pid file names it and its command line carries that file's path: a pid that the
# system has given to another program since is never signalled.

# shellcheck disable=SC2034 # the scripts that source this file use the names below
{
  host=127.0.0.1
  cache=${WEIR_KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir-kafka}
  heap=${WEIR_KAFKA_HEAP:-512m}
  java=${JAVA_HOME:+$JAVA_HOME/bin/}java
  keytool=${JAVA_HOME:+$JAVA_HOME/bin/}keytool
  me=${0##*/}
}

die() { echo "$me: $*" >&2; exit 1; }
say() { echo "$me: $*" >&2; }

# absolute DIR: DIR as an absolute path, created.
absolute() { mkdir -p "$1" && (cd "$1" && pwd); }

# fetch POM NAME MAVEN-ARGUMENT...: fills $cache/NAME/libs with the run-time class path of pom/POM.xml, once.
fetch() {
  local pom=$1 dest=$cache/$2
  shift 2
  [ -f "$dest/complete" ] && return 0
  mkdir -p "$cache"
  exec 8>"$dest.lock"
  flock 8
  if [ ! -f "$dest/complete" ]; then
    command -v mvn >/dev/null 2>&1 || die "mvn is not installed, and ${dest##*/} is not in $cache"
    say "fetching ${dest##*/}"
    rm -rf "$dest"
    MAVEN_OPTS=${MAVEN_OPTS:--Xmx512m} mvn -B -q -Dstyle.color=never --strict-checksums \
      -s "${WEIR_KAFKA_MAVEN_SETTINGS:-$here/settings.xml}" -f "$here/pom/$pom.xml" "$@" \
      org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$dest/libs" </dev/null >&2 || die "mvn could not fetch ${dest##*/}"
    touch "$dest/complete"
  fi
  exec 8>&-
}

# alive PIDFILE: the process of PIDFILE lives and is ours.
alive() {
  local pid
  [ -s "$1" ] || return 1
  pid=$(cat "$1")
  grep -qszxF -- "-Dweir.pid=$1" "/proc/$pid/cmdline"
}

# launch DIR NAME JVM ARGUMENT...: starts a JVM detached in DIR; pid in DIR/NAME.pid, output in DIR/NAME.log.
# The descriptors 3 (the lock of `run`'s caller) and 7 (its standard input) stay with the script.
# Libraries that a JVM unpacks, and leaves behind when it is killed, are in DIR and go with it.
launch() {
  local dir=$1 name=$2 jvm=$3 i
  shift 3
  echo "=== started $(date -u +%FT%TZ)" >>"$dir/$name.log"
  (
    cd "$dir" || exit 1
    exec setsid nohup "$jvm" "-Dweir.pid=$dir/$name.pid" "-Djava.io.tmpdir=$dir" "$@" \
      >>"$name.log" 2>&1 </dev/null 3>&- 7<&-
  ) &
  # Should the folder have been destroyed meanwhile, the process must not stay behind, known to nobody.
  echo $! >"$dir/$name.pid" || { kill -KILL $!; exit 1; }
  # Without this bash would report the process's end, to a caller that may be gone.
  disown $!
  # Until exec has happened the process does not carry the mark yet.
  for ((i = 0; i < 100; i++)); do
    if alive "$dir/$name.pid"; then return 0; fi
    sleep 0.05
  done
}

# gone PID: the process has given everything back. One that ends loses its command line first, by which `alive`
# knows it, then its first thread, and its ports with the last. Then it may wait for its parent as a zombie.
gone() {
  local tasks=("/proc/$1/task/"*)
  [ ${#tasks[@]} -le 1 ] && ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

# halt PIDFILE SIGNAL: ends the process with SIGNAL, and with SIGKILL if it still lives after 30 s.
halt() {
  local i pid
  if alive "$1"; then
    pid=$(cat "$1")
    kill "-$2" "$pid" 2>/dev/null || true
    for ((i = 0; i < 600; i++)); do
      if gone "$pid"; then break; fi
      if [ $i = 300 ]; then
        say "$1: still there after 30 s, SIGKILL"
        kill -KILL "$pid" 2>/dev/null || true
      fi
      sleep 0.1
    done
  fi
  rm -f "$1"
}

# listens PORT: something accepts connections on PORT.
listens() { (exec 6<>"/dev/tcp/$host/$1") 2>/dev/null; }

# until_end_of_input: returns when the caller closes our input, which it also does by dying.
until_end_of_input() { while read -r _ <&7; do :; done; }
