#!/usr/bin/env bash
# Real Apache Kafka brokers for tests, from Maven Central alone.
# Needs Linux, bash, flock, Java 17 and Maven 3; for --tls also openssl.
#
#   kafka.sh start VERSION DIR PORT [--tls] [--sasl] [--acl] [--nodes N] [--set KEY=VALUE]...
#   kafka.sh run   ...              as start, then print "ready"; at the end of its standard input, destroy
#   kafka.sh stop  DIR [NODE]       stop all or one broker (SIGTERM, after 30 s SIGKILL); data stay
#   kafka.sh kill  DIR [NODE]       SIGKILL one broker (NODE from 1, 1 if not given)
#   kafka.sh up    DIR [NODE]       start again what `start` made in DIR (all, or one broker), data kept
#   kafka.sh status DIR             pids, memory, whether it answers
#   kafka.sh bootstrap DIR          the brokers' PLAINTEXT addresses
#   kafka.sh topic DIR NAME PARTITIONS [RF] [KEY=VALUE]...
#   kafka.sh grant DIR USER TOPIC GROUP  let USER read TOPIC and use GROUP, nothing else (needs --acl)
#   kafka.sh tool  DIR CLASS ARGS...     a class of kafka-tools, e.g. org.apache.kafka.tools.ConsumerPerformance
#   kafka.sh java  DIR SOURCE ARGS...    a program of java/ with Kafka's own Java client (brokers from 0.10 on)
#   kafka.sh destroy DIR            SIGKILL everything started in DIR, then delete DIR
#   kafka.sh fetch WHAT...          only fill the cache; WHAT is a broker's VERSION, tools, or clients:VERSION
#
# VERSION 3.3 and later starts in KRaft mode (broker and controller in one process), older ones with ZooKeeper.
# Ports of node 1 (those of node i are each 10*(i-1) higher):
#   PORT     PLAINTEXT, always there                      PORT+1  controller, or ZooKeeper (node 1 only)
#   PORT+2   --tls:  SSL, no client certificate needed    PORT+3  --tls:  SSL, client certificate required
#   PORT+4   --sasl: SASL_PLAINTEXT                       PORT+5  --tls --sasl: SASL_SSL
# --tls  (0.9+) makes a CA and certificates in DIR/certs: ca.pem, client.pem and client.key; trust.p12, trust.jks,
#        client.p12 and client.jks, all with the password "changeit".
# --sasl (0.10+) makes the users of `users` below: PLAIN, and from 0.10.2 on SCRAM-SHA-256 and SCRAM-SHA-512. From 2.0
#        on OAUTHBEARER lets anybody in as whom the unsigned token says, which is what Kafka does by default.
# --acl  (0.10+) implies --sasl and switches the authorizer on. Who comes in by PLAINTEXT or by TLS without a
#        certificate (User:ANONYMOUS, the brokers themselves) may do everything, and so may admin; others need `grant`.
# `start` may be repeated: a running DIR is left as it is, a stopped one is started with its data.
#
# Environment: WEIR_KAFKA_CACHE (jars; default ${XDG_CACHE_HOME:-~/.cache}/weir-kafka), WEIR_KAFKA_HEAP (512m),
#              WEIR_KAFKA_MAVEN_SETTINGS (a Maven settings file in place of settings.xml), JAVA_HOME
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=jvm.sh
. "$here/jvm.sh"

tools_version=4.3.1
new_clients=4.4.0 # brokers from 2.1 on
old_clients=3.9.1 # brokers from 0.10 on
password=changeit

# users: every user's name and password. The third has the form of a Tencent CKafka user (instance#name), whose
# signs must survive JAAS, ZooKeeper paths and SCRAM.
users() { printf '%s\n' 'admin admin-secret' 'alice alice-secret' 'ckafka-ab12cd#alice ckafka-secret'; }

# at_least A B: version A >= version B
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
kraft() { at_least "$1" 3.3; }

fetch_broker() { # VERSION
  local v=$1
  [[ $v =~ ^[0-9]+(\.[0-9]+){2,3}$ ]] || die "$v is no version of Kafka"
  if kraft "$v"; then
    fetch kraft "kafka-$v" -Dkafka.version="$v" -Dscala.version=2.13
  elif at_least "$v" 2.5; then
    fetch zk "kafka-$v" -Dkafka.version="$v" -Dscala.version=2.13
  elif at_least "$v" 2.0; then
    # The ZooKeeper clients 3.4.13 to 3.5.7 of Kafka 2.0 to 2.4 cannot connect on Java 14 and later (ZOOKEEPER-3779).
    fetch zk "kafka-$v" -Dkafka.version="$v" -Dscala.version=2.12 -Dzookeeper.version=3.5.9
  elif at_least "$v" 1.0; then
    fetch zk "kafka-$v" -Dkafka.version="$v" -Dscala.version=2.12
  else
    fetch zk "kafka-$v" -Dkafka.version="$v" -Dscala.version=2.11
  fi
}
fetch_tools() { fetch tools "tools-$tools_version" -Dkafka.version="$tools_version"; }
fetch_clients() { fetch clients "clients-$1" -Dkafka.version="$1"; }

# clients VERSION: the newest Java client that speaks with a broker of VERSION.
clients() {
  if at_least "$1" 2.1; then
    echo "$new_clients"
  elif at_least "$1" 0.10; then
    echo "$old_clients"
  else
    die "no Java client here speaks with Kafka $1 (0.10 is the first)"
  fi
}

# answers PORT MIN: a Metadata v0 request, which 0.8 to 4.x understand, is answered with at least MIN brokers.
answers() {
  local n
  n=$( {
    exec 6<>"/dev/tcp/$host/$1" || exit 1
    printf '\x00\x00\x00\x0e\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00' >&6
    size=$((16#$(timeout 2 head -c 4 <&6 | od -An -tx1 | tr -d ' \n')))
    n=$(timeout 2 head -c "$size" <&6 | od -An -tx1 -v | tr -d ' \n' | cut -c9-16)
    echo $((16#$n))
  } 2>/dev/null) || return 1
  [ "${n:--1}" -ge "$2" ] 2>/dev/null
}

# started LOG: the broker has said that it started, since its last start. 0.8 listens before it is registered.
started() { awk '/^=== started/ {ok = 0} /Kafka ?(Raft)?Server.* started/ {ok = 1} END {exit !ok}' "$1"; }

# least VERSION: how many brokers a fresh broker's metadata names. 0.8 names none, not even itself, until the first
# topic exists (KAFKA-1867).
least() { if at_least "$1" 0.9; then echo 1; else echo 0; fi; }

# launch_node DIR NAME CLASS ARGUMENT...: launches a broker or ZooKeeper in DIR.
launch_node() {
  local dir=$1 name=$2 version pkg opts
  shift 2
  version=$(cat "$dir/../version")
  opts=("-Xmx$heap" -XX:+UseG1GC -Djava.awt.headless=true -Dkafka.logs.dir=.
    -Dorg.slf4j.simpleLogger.showDateTime=true
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=[yyyy-MM-dd HH:mm:ss,SSS]"
    "-Dlog4j.configuration=file:$dir/../log4j.properties")
  if ! kraft "$version"; then
    # ZooKeeper 3.4 registers log4j's JMX beans unless told not to; reload4j has none.
    opts+=(-Dzookeeper.jmx.log4j.disable=true)
    for pkg in java.lang java.nio java.util sun.nio.ch jdk.internal.ref; do
      opts+=("--add-opens=java.base/$pkg=ALL-UNNAMED") # access that old releases take for granted
    done
  fi
  if [ -f "$dir/../jaas.conf" ] && [ "$name" = kafka ]; then
    opts+=(-Djava.security.auth.login.config=../jaas.conf)
  fi
  launch "$dir" "$name" "$java" "${opts[@]}" -cp "$cache/kafka-$version/libs/*" "$@"
  # `destroy` deletes the version before it looks for processes: either it sees this one, or we see that.
  if [ ! -f "$dir/../version" ]; then
    halt "$dir/$name.pid" KILL
    die "${dir%/*} has been destroyed meanwhile"
  fi
}

# certificate NAME: NAME.key and NAME.pem, signed by the CA, for a server or client on this machine.
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/O=realkafka/CN=$1" &&
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out "$1.pem" \
      -extfile <(echo "subjectAltName=DNS:localhost,IP:$host") &&
    openssl pkcs12 -export -name "$1" -in "$1.pem" -inkey "$1.key" -certfile ca.pem -out "$1.p12" \
      -passout "pass:$password"
}

certificates() { # DIR
  local c=$1/certs
  if [ -f "$c/complete" ]; then return 0; fi
  command -v openssl >/dev/null || die "openssl is not installed (--tls needs it)"
  rm -rf "$c"
  mkdir -p "$c"
  (stores "$c") >"$c/certificates.log" 2>&1 || { tail -n 20 "$c/certificates.log" >&2; die "no certificates"; }
  touch "$c/complete"
}

# stores CERT-DIR: CA, certificates, and key stores of both kinds that Java knows.
stores() {
  cd "$1" &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout ca.key -out ca.pem -subj "/CN=realkafka-ca" &&
    certificate server && certificate client &&
    "$keytool" -importcert -noprompt -alias ca -file ca.pem -storetype PKCS12 -keystore trust.p12 \
      -storepass $password &&
    "$keytool" -importcert -noprompt -alias ca -file ca.pem -storetype JKS -keystore trust.jks \
      -storepass $password &&
    "$keytool" -importkeystore -noprompt -srckeystore client.p12 -srcstoretype PKCS12 -srcstorepass $password \
      -destkeystore client.jks -deststoretype JKS -deststorepass $password &&
    rm -f ./*.csr ./*.srl
}

# jaas VERSION: the brokers' JAAS file. Its keys are quoted because an unquoted # ends the file with an error.
jaas() {
  local name secret
  echo 'KafkaServer {'
  echo '  org.apache.kafka.common.security.plain.PlainLoginModule required'
  echo '    username="admin" password="admin-secret"'
  while read -r name secret; do echo "    \"user_$name\"=\"$secret\""; done < <(users)
  echo '  ;'
  if at_least "$1" 0.10.2; then echo '  org.apache.kafka.common.security.scram.ScramLoginModule required;'; fi
  echo '};'
}

# listeners NODE-PORT: sets $listeners and $map by the options of `start`.
listeners() {
  local p=$1
  listeners="PLAINTEXT://$host:$p" map="PLAINTEXT:PLAINTEXT"
  if at_least "$version" 0.10.2; then
    if [ "$tls" = 1 ]; then
      listeners+=",TLS://$host:$((p + 2)),MTLS://$host:$((p + 3))" map+=",TLS:SSL,MTLS:SSL"
    fi
    if [ "$sasl" = 1 ]; then listeners+=",SASL://$host:$((p + 4))" map+=",SASL:SASL_PLAINTEXT"; fi
    if [ "$tls$sasl" = 11 ]; then listeners+=",SASLTLS://$host:$((p + 5))" map+=",SASLTLS:SASL_SSL"; fi
  else # names of listeners are names of security protocols, one of each
    if [ "$tls" = 1 ]; then listeners+=",SSL://$host:$((p + 2))"; fi
    if [ "$sasl" = 1 ]; then listeners+=",SASL_PLAINTEXT://$host:$((p + 4))"; fi
    if [ "$tls$sasl" = 11 ]; then listeners+=",SASL_SSL://$host:$((p + 5))"; fi
  fi
}

network_settings() { # NODE NODE-PORT
  local i=$1 p=$2 j voters=
  if at_least "$version" 0.9; then
    listeners "$p"
  else
    echo "host.name=$host"
    echo "advertised.host.name=$host"
    echo "port=$p"
  fi
  if kraft "$version"; then
    for ((j = 1; j <= nodes; j++)); do voters+="${voters:+,}$j@$host:$((port + 10 * (j - 1) + 1))"; done
    echo "process.roles=broker,controller"
    echo "node.id=$i"
    echo "controller.quorum.voters=$voters"
    echo "controller.listener.names=CONTROLLER"
    # A killed broker's partitions move after 3 s instead of 9 s.
    if [ "$nodes" != 1 ]; then
      echo "broker.session.timeout.ms=3000"
      echo "broker.heartbeat.interval.ms=500"
    fi
    echo "advertised.listeners=$listeners"
    echo "listeners=$listeners,CONTROLLER://$host:$((p + 1))"
    echo "listener.security.protocol.map=$map,CONTROLLER:PLAINTEXT"
    echo "inter.broker.listener.name=PLAINTEXT"
    return
  fi
  echo "broker.id=$i"
  echo "zookeeper.connect=$host:$((port + 1))"
  echo "zookeeper.connection.timeout.ms=30000"
  # The default is 6 s up to 2.4 and 18 s later; so long a killed broker counts as alive.
  echo "zookeeper.session.timeout.ms=6000"
  if at_least "$version" 0.9; then echo "listeners=$listeners"; fi
  if at_least "$version" 0.10.2; then
    echo "advertised.listeners=$listeners"
    echo "listener.security.protocol.map=$map"
    echo "inter.broker.listener.name=PLAINTEXT"
  fi
}

security_settings() {
  if [ "$tls" = 1 ]; then
    echo "ssl.keystore.type=PKCS12"
    echo "ssl.keystore.location=../certs/server.p12"
    echo "ssl.keystore.password=$password"
    echo "ssl.key.password=$password"
    echo "ssl.truststore.type=PKCS12"
    echo "ssl.truststore.location=../certs/trust.p12"
    echo "ssl.truststore.password=$password"
    if at_least "$version" 2.6; then
      echo "ssl.enabled.protocols=TLSv1.2,TLSv1.3"
    else
      echo "ssl.enabled.protocols=TLSv1.2"
    fi
    if at_least "$version" 0.10.2; then echo "listener.name.mtls.ssl.client.auth=required"; fi
  fi
  if [ "$sasl" = 1 ]; then
    if at_least "$version" 2.0; then
      echo "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
      # It takes a JAAS configuration with its own module alone, so not the one of jaas.conf.
      local listener oauth=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule
      for listener in sasl sasltls; do
        echo "listener.name.$listener.oauthbearer.sasl.jaas.config=$oauth required unsecuredLoginStringClaim_sub=\"admin\";"
      done
    elif at_least "$version" 0.10.2; then
      echo "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
    else
      echo "sasl.enabled.mechanisms=PLAIN"
    fi
  fi
  if [ "$acl" = 1 ]; then
    if kraft "$version"; then
      echo "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    elif at_least "$version" 2.4; then
      echo "authorizer.class.name=kafka.security.authorizer.AclAuthorizer"
    else
      echo "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer"
    fi
    echo "super.users=User:admin;User:ANONYMOUS"
    echo "allow.everyone.if.no.acl.found=false"
  fi
}

properties() { # NODE NODE-PORT
  local rf=$((nodes < 3 ? nodes : 3))
  echo "log.dirs=data"
  echo "num.partitions=1"
  echo "offsets.topic.replication.factor=$rf"
  echo "offsets.topic.num.partitions=8"
  if at_least "$version" 0.11; then
    echo "transaction.state.log.replication.factor=$rf"
    echo "transaction.state.log.min.isr=$((rf > 1 ? 2 : 1))"
    echo "transaction.state.log.num.partitions=8"
    echo "group.initial.rebalance.delay.ms=0"
  fi
  echo "log.retention.hours=876000" # 0.8 refuses -1
  network_settings "$1" "$2"
  security_settings
  if [ -n "$settings" ]; then printf '%s\n' "$settings"; fi
}

# configure: writes everything into $dir but the data.
configure() {
  local i
  if [ "$tls" = 1 ]; then certificates "$dir"; fi
  if [ "$sasl" = 1 ]; then jaas "$version" >"$dir/jaas.conf"; fi
  # A cluster id is 16 bytes in URL-safe base64 that does not begin with a dash.
  echo "k$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-20)w" >"$dir/cluster.id"
  cat >"$dir/log4j.properties" <<'C'
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
C
  for ((i = 1; i <= nodes; i++)); do
    mkdir -p "$dir/node$i"
    echo $((port + 10 * (i - 1))) >"$dir/node$i/port"
    properties "$i" $((port + 10 * (i - 1))) >"$dir/node$i/server.properties"
  done
  if ! kraft "$version"; then
    mkdir -p "$dir/zookeeper"
    echo $((port + 1)) >"$dir/zookeeper/port"
    printf '%s\n' dataDir=data "clientPort=$((port + 1))" "clientPortAddress=$host" maxClientCnxns=0 \
      admin.enableServer=false tickTime=2000 4lw.commands.whitelist=dump >"$dir/zookeeper/zoo.cfg"
  fi
  echo "$nodes" >"$dir/nodes"
  echo "$version" >"$dir/version" # last: it marks DIR as complete
}

zookeeper() { echo "$host:$(cat "$1/zookeeper/port")"; }

# old_tool DIR CLASS ARGUMENT...: a command line tool from the broker's own jars.
old_tool() {
  local dir=$1
  shift
  "$java" -Xmx128m "-Dlog4j.configuration=file:$dir/log4j.properties" -Dlog4j.rootLogger=WARN \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$cache/kafka-$(cat "$dir/version")/libs/*" "$@"
}

tool() { # CLASS ARGUMENT...
  "$java" "-Xmx$heap" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$cache/tools-$tools_version/libs/*" "$@"
}

# scram_users DIR: the SCRAM users of a ZooKeeper-mode cluster, made before its brokers start, which then know
# them from their first moment on.
scram_users() {
  local dir=$1 name secret
  if [ -f "$dir/users.done" ] || ! at_least "$(cat "$dir/version")" 0.10.2; then return 0; fi
  while read -r name secret; do
    old_tool "$dir" kafka.admin.ConfigCommand --zookeeper "$(zookeeper "$dir")" --alter --entity-type users \
      --entity-name "$name" --add-config \
      "SCRAM-SHA-256=[iterations=4096,password=$secret],SCRAM-SHA-512=[iterations=4096,password=$secret]" \
      </dev/null >>"$dir/users.log" 2>&1 || { cat "$dir/users.log" >&2; die "no SCRAM user $name"; }
  done < <(users)
  touch "$dir/users.done"
}

# format NODE-DIR: makes the storage of a KRaft node, with the SCRAM users in it.
format() {
  local n=$1 dir=${1%/*} scram=() name secret m
  if [ -f "$dir/jaas.conf" ]; then
    while read -r name secret; do
      for m in 256 512; do scram+=(--add-scram "SCRAM-SHA-$m=[name=$name,password=$secret]"); done
    done < <(users)
  fi
  (cd "$n" && old_tool "$dir" kafka.tools.StorageTool format -t "$(cat "$dir/cluster.id")" -c server.properties \
    "${scram[@]}") >"$n/format.log" 2>&1 || { cat "$n/format.log" >&2; die "format failed"; }
}

up_zookeeper() { # DIR
  local z=$1/zookeeper p end=$((SECONDS + 60))
  p=$(cat "$z/port")
  if alive "$z/zookeeper.pid"; then return 0; fi
  if listens "$p"; then die "port $p is taken"; fi
  launch_node "$z" zookeeper org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg
  until listens "$p"; do
    alive "$z/zookeeper.pid" || { tail -n 20 "$z/zookeeper.log" >&2; die "ZooKeeper ended"; }
    [ $SECONDS -lt $end ] || { tail -n 20 "$z/zookeeper.log" >&2; die "ZooKeeper does not answer"; }
    sleep 0.1
  done
}

# await_session DIR NODE: waits until ZooKeeper has forgotten the session of a broker that was killed. Started
# earlier, brokers up to 3.2 meet their own former registration: some end, and 0.8 never leads anything again.
await_session() {
  local port end=$((SECONDS + 60))
  port=$(cat "$1/zookeeper/port")
  while {
    exec 6<>"/dev/tcp/$host/$port"
    printf dump >&6
    timeout 5 cat <&6
  } 2>/dev/null | grep "/brokers/ids/$2\$" >/dev/null; do # not -q, which would break the pipe
    [ $SECONDS -lt $end ] || die "ZooKeeper does not forget the former broker $2"
    sleep 0.1
  done
}

# await_node NODE-DIR VERSION: waits until the broker answers.
await_node() {
  local n=$1 end=$((SECONDS + 90))
  until started "$n/kafka.log" && answers "$(cat "$n/port")" "$(least "$2")"; do
    alive "$n/kafka.pid" || { tail -n 30 "$n/kafka.log" >&2; die "broker ${n##*node} ended"; }
    [ $SECONDS -lt $end ] || { tail -n 30 "$n/kafka.log" >&2; die "broker ${n##*node} does not answer"; }
    sleep 0.1
  done
}

# up DIR [NODE]: starts what does not run and waits until it answers.
up() {
  local dir=$1 only=${2:-} version i n
  version=$(cat "$dir/version")
  fetch_broker "$version"
  if ! kraft "$version"; then
    up_zookeeper "$dir"
    if [ -f "$dir/jaas.conf" ]; then scram_users "$dir"; fi
  fi
  for ((i = 1; i <= $(cat "$dir/nodes"); i++)); do
    n=$dir/node$i
    if [ -n "$only" ] && [ "$only" != "$i" ]; then continue; fi
    if alive "$n/kafka.pid"; then continue; fi
    if listens "$(cat "$n/port")"; then die "port $(cat "$n/port") is taken"; fi
    if ! kraft "$version"; then
      await_session "$dir" "$i"
    elif [ ! -f "$n/data/meta.properties" ]; then
      format "$n"
    fi
    launch_node "$n" kafka kafka.Kafka server.properties
  done
  for ((i = 1; i <= $(cat "$dir/nodes"); i++)); do
    if [ -z "$only" ] || [ "$only" = "$i" ]; then await_node "$dir/node$i" "$version"; fi
  done
  say "$version answers at $(bootstrap "$dir"), in $dir"
}

start() { # VERSION DIR PORT OPTION...
  [ $# -ge 3 ] || die "start VERSION DIR PORT [--tls] [--sasl] [--acl] [--nodes N] [--set KEY=VALUE]..."
  version=$1 dir=$(absolute "$2") port=$3 tls=0 sasl=0 acl=0 nodes=1 settings=
  shift 3
  while [ $# -gt 0 ]; do
    case $1 in
    --tls) tls=1 ;;
    --sasl) sasl=1 ;;
    --acl) sasl=1 acl=1 ;;
    --nodes) nodes=${2:?--nodes needs a number} && shift ;;
    --set) settings+=${settings:+$'\n'}${2:?--set needs KEY=VALUE} && shift ;;
    *) die "unknown option $1" ;;
    esac
    shift
  done
  [ $tls = 0 ] || at_least "$version" 0.9 || die "$version has no TLS (0.9 is the first)"
  [ $sasl = 0 ] || at_least "$version" 0.10 || die "$version has no SASL/PLAIN (0.10 is the first)"
  [ $sasl = 0 ] || ! kraft "$version" || at_least "$version" 3.5 ||
    die "$version in KRaft mode has no SCRAM users (3.5 is the first)"
  if [ -f "$dir/version" ]; then
    [ "$(cat "$dir/version")" = "$version" ] || die "$dir holds version $(cat "$dir/version")"
  else
    fetch_broker "$version"
    configure
  fi
  up "$dir"
}

stop() { # DIR [NODE]
  local n
  for n in "$1"/node*; do
    if [ -z "${2:-}" ] || [ "${n##*/node}" = "$2" ]; then halt "$n/kafka.pid" TERM & fi
  done
  wait
  if [ -d "$1/zookeeper" ] && [ -z "${2:-}" ]; then halt "$1/zookeeper/zookeeper.pid" TERM; fi
}

kill_node() { # DIR NODE
  local f=$1/node$2/kafka.pid
  alive "$f" || die "node $2 is not running"
  halt "$f" KILL
}

destroy() { # DIR
  local f
  rm -f "$1/version"
  for f in "$1"/node*/kafka.pid "$1"/zookeeper/zookeeper.pid; do
    if [ -f "$f" ]; then halt "$f" KILL; fi
  done
  rm -rf "$1"
}

status() { # DIR
  local dir=$1 d p text rc=0
  for d in "$dir"/zookeeper "$dir"/node*; do
    [ -d "$d" ] || continue
    p=$d/kafka.pid
    if [ "${d##*/}" = zookeeper ]; then p=$d/zookeeper.pid; fi
    if ! alive "$p"; then
      echo "${d##*/}: not running"
      rc=1
      continue
    fi
    text="pid $(cat "$p"), RSS $(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$(cat "$p")/status") MiB"
    if [ "${d##*/}" != zookeeper ]; then
      if answers "$(cat "$d/port")" "$(least "$(cat "$dir/version")")"; then
        text+=", answers"
      else
        text+=", DOES NOT ANSWER" rc=1
      fi
    fi
    echo "${d##*/}: $text"
  done
  return $rc
}

topic() { # DIR NAME PARTITIONS RF SETTING...
  local dir=$1 args=(--create --topic "$2" --partitions "$3" --replication-factor "$4") c
  shift 4
  for c in "$@"; do args+=(--config "$c"); done
  if at_least "$(cat "$dir/version")" 2.2; then
    fetch_tools
    tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$(bootstrap "$dir")" "${args[@]}"
  else
    old_tool "$dir" kafka.admin.TopicCommand --zookeeper "$(zookeeper "$dir")" "${args[@]}"
  fi
}

grant() { # DIR USER TOPIC GROUP
  local dir=$1 user=User:$2 topic=$3 group=$4 version acl
  version=$(cat "$dir/version")
  grep -q '^authorizer.class.name=' "$dir/node1/server.properties" || die "$dir was started without --acl"
  if kraft "$version"; then
    fetch_tools
    acl=(tool org.apache.kafka.tools.AclCommand --bootstrap-server "$(bootstrap "$dir")")
  else
    acl=(old_tool "$dir" kafka.admin.AclCommand --authorizer-properties "zookeeper.connect=$(zookeeper "$dir")")
    if at_least "$version" 2.4; then acl+=(--authorizer kafka.security.authorizer.AclAuthorizer); fi
  fi
  "${acl[@]}" --add --allow-principal "$user" --operation Read --topic "$topic"
  "${acl[@]}" --add --allow-principal "$user" --operation Read --group "$group"
}

run_java() { # DIR SOURCE ARGUMENT...
  local v source=$2
  v=$(clients "$(cat "$1/version")")
  shift 2
  fetch_clients "$v"
  if [ ! -f "$source" ]; then source=$here/java/$source.java; fi
  "$java" -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$cache/clients-$v/libs/*" "$source" "$@"
}

bootstrap() { # DIR
  local i s=
  for ((i = 1; i <= $(cat "$1/nodes"); i++)); do s+="${s:+,}$host:$(cat "$1/node$i/port")"; done
  echo "$s"
}

# existing DIR: DIR as an absolute path, if `start` made it.
existing() {
  [ -f "${1:?DIR is missing}/version" ] || die "$1 was not made by kafka.sh start"
  (cd "$1" && pwd)
}

fetch_all() { # WHAT...
  local what
  for what in "$@"; do
    case $what in
    tools) fetch_tools ;;
    clients:*) fetch_clients "$(clients "${what#clients:}")" ;;
    *) fetch_broker "$what" ;;
    esac
  done
}

# run: as `start`, but whatever ends this process, or its caller, ends the cluster too. A caller that died leaves
# broken pipes behind: what is said to it must not stop the clearing away.
run() {
  exec 7<&0 </dev/null
  dir=$(absolute "${2:?DIR is missing}")
  trap 'trap "" HUP INT TERM PIPE; destroy "$dir"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  start "$@"
  echo ready
  trap '' PIPE
  until_end_of_input
}

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

if [ $# -lt 1 ]; then
  usage
  exit 2
fi
command=$1
shift
case $command in
start) start "$@" ;;
run) run "$@" ;;
up) up "$(existing "$1")" "${2:-}" ;;
stop) stop "$(existing "$1")" "${2:-}" ;;
kill) kill_node "$(existing "$1")" "${2:-1}" ;;
status) status "$(existing "$1")" ;;
bootstrap) bootstrap "$(existing "$1")" ;;
topic)
  [ $# -ge 3 ] || die "topic DIR NAME PARTITIONS [RF] [KEY=VALUE]..."
  topic "$(existing "$1")" "$2" "$3" "${4:-1}" "${@:5}"
  ;;
grant)
  [ $# = 4 ] || die "grant DIR USER TOPIC GROUP"
  grant "$(existing "$1")" "$2" "$3" "$4"
  ;;
tool)
  dir=$(existing "$1")
  shift
  fetch_tools
  tool "$@"
  ;;
java) run_java "$(existing "$1")" "${@:2}" ;;
destroy) destroy "$(absolute "${1:?DIR is missing}")" ;;
fetch) fetch_all "$@" ;;
*) die "unknown command $command" ;;
esac
