#!/usr/bin/env bash
# The test rig: a real Apache Kafka (KRaft, one node) and a real schema registry on free loopback ports.
#
#   scripts/rig.sh up        start both with empty data (nothing to do when they run already)
#   scripts/rig.sh down      stop both, and every private broker
#   scripts/rig.sh restart   down, then up
#   scripts/rig.sh env       print the addresses as shell exports: eval "$(scripts/rig.sh env)"
#   scripts/rig.sh status    say what runs
#   scripts/rig.sh install   only fetch the jars
#   scripts/rig.sh broker DIR PORT start|stop|kill|pause|cont|status
#                            a broker of its own for a test that wants to hurt one. Data stays in DIR between stop or
#                            kill and the next start; lines of DIR/extra.properties are added to its configuration.
#
# Everything lives in .rig at the root of the checkout (SFBRIDGE_RIG_DIR chooses another place), so that checkouts on one
# machine do not meet.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"
rig=${SFBRIDGE_RIG_DIR:-$root/.rig}
kafka_heap=${SFBRIDGE_RIG_KAFKA_HEAP:-512m}
registry_heap=${SFBRIDGE_RIG_REGISTRY_HEAP:-256m}
cluster_id=c2ZicmlkZ2UtdGVzdC1yaQ

# install fetches the jars that test/rig/pom.xml names, once per version of that file.
install_jars() {
  local stamp="$rig/installed.sum" sum
  mkdir -p "$rig"
  exec 8>"$rig/install.lock"
  flock 8
  sum=$(sha256sum <"$root/test/rig/pom.xml")
  if [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ]; then
    "$root/scripts/need.sh" java maven >&2
    say "fetching Apache Kafka and the schema registry through Maven"
    rm -rf "$rig/kafka" "$rig/registry" "$rig/download"
    mvn -B -q -Dstyle.color=never -f "$root/test/rig/pom.xml" package -Drig.dir="$rig" >&2
    mkdir -p "$rig/registry"
    tar xzf "$rig"/download/apicurio-registry-app-*-all.tar.gz -C "$rig/registry"
    rm -rf "$rig/download"
    printf '%s\n' "$sum" >"$stamp"
  fi
  exec 8>&-
}

# make_certificates writes a certificate authority, a server certificate for localhost and a client certificate.
make_certificates() {
  local dir=$1
  mkdir -p "$dir"
  (
    cd "$dir"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/CN=sfbridge test CA" \
      -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
    for who in server client; do
      openssl req -newkey rsa:2048 -nodes -keyout "$who.key" -out "$who.csr" -subj "/CN=$who"
      openssl x509 -req -in "$who.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$who.pem" -days 30 -extfile <(
        echo "subjectAltName=DNS:localhost,IP:127.0.0.1"
        echo "extendedKeyUsage=${who}Auth"
      )
    done
    cat server.key server.pem >server-keystore.pem
  ) >"$dir/openssl.log" 2>&1 || { cat "$dir/openssl.log" >&2; die "openssl could not make the certificates"; }
}

# common_properties DIR PORT CONTROLLER_PORT: what every broker of the rig has.
common_properties() {
  cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$1/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
controlled.shutdown.enable=false
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
}

# rig_properties: the shared broker, with every kind of listener that a client may meet.
rig_properties() {
  local jaas=org.apache.kafka.common.security
  common_properties "$rig/broker" "$kafka_port" "$controller_port"
  cat <<PROPERTIES
listeners=PLAINTEXT://127.0.0.1:$kafka_port,SASL://127.0.0.1:$sasl_port,SSL://127.0.0.1:$tls_port,SASLSSL://127.0.0.1:$sasl_tls_port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port,SASL://127.0.0.1:$sasl_port,SSL://localhost:$tls_port,SASLSSL://localhost:$sasl_tls_port
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,SSL:SSL,SASLSSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=$rig/tls/server-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$rig/tls/ca.pem
listener.name.ssl.ssl.client.auth=requested
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
PROPERTIES
  for name in sasl saslssl; do
    cat <<PROPERTIES
listener.name.$name.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.$name.plain.sasl.jaas.config=$jaas.plain.PlainLoginModule required user_alice="alice-secret";
listener.name.$name.scram-sha-256.sasl.jaas.config=$jaas.scram.ScramLoginModule required;
listener.name.$name.scram-sha-512.sasl.jaas.config=$jaas.scram.ScramLoginModule required;
listener.name.$name.oauthbearer.sasl.jaas.config=$jaas.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
listener.name.$name.oauthbearer.sasl.server.callback.handler.class=$jaas.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
PROPERTIES
  done
}

# java_kafka DIR CLASS ARGS...: a class from Kafka's jars, logging to standard output.
log4j_config() {
  cat >"$1/log4j2.properties" <<'PROPERTIES'
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
logger.config.name=org.apache.kafka.common.config
logger.config.level=WARN
PROPERTIES
}

# format DIR ARGS...: makes an empty log directory for DIR/server.properties.
format() {
  local dir=$1
  shift
  java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$rig/kafka/*" -Dlog4j2.configurationFile="$dir/log4j2.properties" \
    kafka.tools.StorageTool format -t "$cluster_id" -c "$dir/server.properties" "$@" >"$dir/format.log" 2>&1 ||
    { cat "$dir/format.log" >&2; die "could not format $dir/data"; }
}

# launch DIR HEAP LOG: starts the broker of DIR in the background.
launch() {
  setsid java -Xmx"$2" -Xms"$2" -XX:+UseG1GC -cp "$rig/kafka/*" -Dlog4j2.configurationFile="$1/log4j2.properties" \
    kafka.Kafka "$1/server.properties" >"$3" 2>&1 </dev/null 8>&- 9>&- &
  record "$1/pid" $!
}

broker_ready() { grep -qs 'Kafka Server started' "$1" && listening "$2"; }

# start_kafka: the shared broker, empty.
start_kafka() {
  local dir="$rig/broker" log="$rig/log/kafka.log"
  rm -rf "$dir" && mkdir -p "$dir"
  log4j_config "$dir"
  rig_properties >"$dir/server.properties"
  format "$dir" --add-scram 'SCRAM-SHA-256=[name=bob,password=bob-secret]' --add-scram 'SCRAM-SHA-512=[name=bob,password=bob-secret]'
  launch "$dir" "$kafka_heap" "$log"
}

start_registry() {
  local dir="$rig/registry" jar
  jar=$(ls "$dir"/apicurio-registry-app-*-runner.jar)
  setsid java -Xmx"$registry_heap" -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$registry_port" \
    -jar "$jar" >"$rig/log/registry.log" 2>&1 </dev/null 8>&- 9>&- &
  record "$rig/registry.pid" $!
}

running() { alive "$rig/broker/pid" && alive "$rig/registry.pid"; }

stop_all() {
  local place
  end "$rig/broker/pid"
  end "$rig/registry.pid"
  for place in "$rig"/private/*; do
    [ -e "$place/dir" ] || continue
    end "$(cat "$place/dir")/pid"
    rm -rf "$place"
  done
  rm -f "$rig/env"
}

write_env() {
  local ca="$rig/tls"
  cat >"$rig/env" <<ENV
export SFBRIDGE_TEST_KAFKA=127.0.0.1:$kafka_port
export SFBRIDGE_TEST_REGISTRY=http://127.0.0.1:$registry_port/apis/ccompat/v7
export SFBRIDGE_TEST_KAFKA_SASL=127.0.0.1:$sasl_port
export SFBRIDGE_TEST_KAFKA_TLS=localhost:$tls_port
export SFBRIDGE_TEST_KAFKA_SASL_TLS=localhost:$sasl_tls_port
export SFBRIDGE_TEST_KAFKA_CA=$ca/ca.pem
export SFBRIDGE_TEST_KAFKA_CLIENT_CERT=$ca/client.pem
export SFBRIDGE_TEST_KAFKA_CLIENT_KEY=$ca/client.key
export SFBRIDGE_RIG=$root/scripts/rig.sh
ENV
}

up() {
  mkdir -p "$rig/log"
  exec 9>"$rig/up.lock"
  flock 9
  if [ -e "$rig/env" ] && running; then
    say "already up"
    return
  fi
  "$root/scripts/need.sh" java openssl >&2
  install_jars
  stop_all
  free_port; kafka_port=$free_port
  free_port; sasl_port=$free_port
  free_port; tls_port=$free_port
  free_port; sasl_tls_port=$free_port
  free_port; controller_port=$free_port
  free_port; registry_port=$free_port
  start_registry
  make_certificates "$rig/tls"
  start_kafka
  if ! { wait_for 90 "$rig/log/kafka.log" "$rig/broker/pid" broker_ready "$rig/log/kafka.log" "$kafka_port" &&
    wait_for 90 "$rig/log/registry.log" "$rig/registry.pid" http_ok "$registry_port" /apis/ccompat/v7/subjects; }; then
    stop_all
    exit 1
  fi
  write_env
  say "up: Kafka on 127.0.0.1:$kafka_port, registry on http://127.0.0.1:$registry_port/apis/ccompat/v7"
}

status() {
  local pid state=0
  alive "$rig/broker/pid" && echo "kafka up, process $pid" || { echo "kafka down"; state=1; }
  alive "$rig/registry.pid" && echo "registry up, process $pid" || { echo "registry down"; state=1; }
  [ -e "$rig/env" ] && sed 's/^export /  /' "$rig/env"
  return $state
}

# broker_start: a private broker with one plain listener. The first start makes it; later ones go on with its data.
broker_start() {
  local dir=$1 port=$2 pid
  if alive "$dir/pid"; then return; fi
  install_jars
  if [ ! -e "$dir/data/meta.properties" ]; then
    free_port
    {
      common_properties "$dir" "$port" "$free_port"
      echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$free_port"
      echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port"
      echo "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"
      # A killed broker may register again only when its former self has timed out.
      echo "broker.session.timeout.ms=3000"
      echo "broker.heartbeat.interval.ms=500"
      [ ! -e "$dir/extra.properties" ] || cat "$dir/extra.properties"
    } >"$dir/server.properties"
    log4j_config "$dir"
    format "$dir"
  fi
  launch "$dir" "${SFBRIDGE_RIG_BROKER_HEAP:-256m}" "$dir/kafka.log"
  alive "$dir/pid" || die "the broker of $dir ended at once; see $dir/kafka.log"
  mkdir -p "$rig/private/$pid"
  echo "$dir" >"$rig/private/$pid/dir"
  wait_for 90 "$dir/kafka.log" "$dir/pid" broker_ready "$dir/kafka.log" "$port"
}

broker() {
  local dir pid port=$2 action=$3
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  [ "$action" = start ] && { broker_start "$dir" "$port"; return; }
  if ! alive "$dir/pid"; then
    case $action in
      stop | kill) return ;;
      status) echo down; return 1 ;;
    esac
    die "no broker runs in $dir"
  fi
  case $action in
    status) echo "up, process $pid" ;;
    pause) kill -STOP "$pid" ;;
    cont) kill -CONT "$pid" ;;
    stop)
      end "$dir/pid"
      rm -rf "$rig/private/$pid"
      ;;
    kill)
      kill -KILL "$pid"
      while alive "$dir/pid"; do sleep 0.05; done
      rm -rf "$dir/pid" "$rig/private/$pid"
      ;;
    *) die "broker: unknown action $action" ;;
  esac
}

case ${1:-} in
  up) up ;;
  down) stop_all && say "down" ;;
  restart) stop_all && up ;;
  env) [ -e "$rig/env" ] && running && cat "$rig/env" || die "the rig is not up; start it with scripts/rig.sh up" ;;
  status) status ;;
  install) install_jars ;;
  broker)
    [ $# -eq 4 ] || die "usage: $0 broker DIR PORT start|stop|kill|pause|cont|status"
    broker "$2" "$3" "$4"
    ;;
  *) sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
