# Shell functions that the checks share; sourced by each. A check has a directory of its own in $work and ends
# whatever it started when it exits.
# shellcheck shell=bash
set -euo pipefail
# What fails in $(...) fails the check.
shopt -s inherit_errexit

: "${EUREKA_REGISTRY_BIN:?names the binary under test; compat/run sets it}"
compat=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/eureka-registry-compat
# For `again`.
# shellcheck source-path=SCRIPTDIR source=../deploy/tools.sh
. "$compat/../deploy/tools.sh"
work=$(mktemp -d)
started=()
mkdir -p "$cache"
export PYTHONPATH=$compat PYTHONDONTWRITEBYTECODE=1

# finish [CODE]: ends what was started, and shows the logs if the check failed. A trap that does something before it passes the exit code.
finish() {
  local code=${1-$?} pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  if ((code)); then
    printf 'FAILED (%s), logs:\n' "$code" >&2
    tail -n 30 "$work"/*.log >&2 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }

say() { printf '  %s\n' "$*"; }

# Debian packages that are not there yet.
packages() {
  local missing=() name
  for name in "$@"; do dpkg -s "$name" >/dev/null 2>&1 || missing+=("$name"); done
  if ((${#missing[@]})); then
    again apt-get update -qq
    DEBIAN_FRONTEND=noninteractive again apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
}

# maven_jar DIRECTORY NAME JAR [OPTION ...]: the jar target/NAME.jar of a project, built where JAR is not newer than the project.
maven_jar() {
  local project=$1 name=$2 jar=$3
  shift 3
  command -v mvn >/dev/null || packages maven openjdk-17-jdk-headless
  [[ -s $jar && -z $(find "$project/pom.xml" "$project/src" -newer "$jar") ]] && return
  cp -r "$project" "$work/build-$name"
  again mvn --quiet --batch-mode -f "$work/build-$name/pom.xml" "$@" package >&2
  # Under its name when it is whole.
  cp "$work/build-$name/target/$name.jar" "$jar.part"
  mv "$jar.part" "$jar"
}

# eureka_server BOOT CLOUD: the directory with the classes of compat/configuration/java, a Java server with Spring Security, for these
# versions.
eureka_server() {
  local jar=$cache/configuration-$1.jar
  maven_jar "$compat/configuration/java" "configuration-$1" "$jar" -Dboot.version="$1" -Dcloud.version="$2" >&2
  unpacked "$jar"
}

# unpacked JAR: a directory with the classes of a jar. Classes that lie beside each other start in half the time of those in an archive
# of archives.
unpacked() {
  local jar=$1 classes=${1%.jar}
  if [[ ! $classes/BOOT-INF -nt $jar ]]; then
    rm -rf "$classes"
    mkdir -p "$classes"
    python3 -m zipfile -e "$jar" "$classes"
    touch "$classes/BOOT-INF"
  fi
  printf '%s\n' "$classes"
}

# background NAME COMMAND ...: runs it with its output in $work/NAME.log; $pid is its process.
background() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 &
  pid=$!
  started+=("$pid")
}

# wait_until SECONDS COMMAND ...: again and again until it succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > deadline)); then fail "waited in vain for: $*"; fi
    sleep 0.1
  done
}

# written NAME: the lines of $work/NAME.log that are written to their ends.
written() { head -n "$(wc -l <"$work/$1.log")" "$work/$1.log"; }

# says NAME PATTERN: prints what matches the extended regular expression in these lines, and fails if nothing does.
says() { written "$1" | grep -Eo "$2"; }

# reserve_ports N: sets $ports to N ports, which no other process is given while the check runs. For servers that have to know each
# other's before they start; any other binds port 0.
reserve_ports() {
  background ports python3 "$compat/lib.py" reserve "$1"
  wait_until 60 says ports .
  read -r -a ports <"$work/ports.log"
  export ports
}

# start_prometheus CONFIGURATION: Prometheus on a free port of 127.0.0.1; sets $prometheus_url.
start_prometheus() {
  background prometheus prometheus --config.file="$1" --storage.tsdb.path="$work/data" --web.listen-address=127.0.0.1:0
  wait_until 60 says prometheus 'msg="Listening on".*'
  prometheus_url=http://$(says prometheus 'msg="Listening on".*' | grep -Eo '127\.0\.0\.1:[0-9]+' | head -n 1)
  wait_until 60 curl -sf --max-time 10 "$prometheus_url/-/ready"
}

# start_registry NAME ARGUMENT ...: a registry on a free port of 127.0.0.1; sets $registry_url and $registry_pid.
start_registry() {
  local name=$1
  shift
  background "$name" "$EUREKA_REGISTRY_BIN" --server.address=127.0.0.1 --server.port=0 \
    --registry.shutdown.lame-duck=0 "$@"
  registry_pid=$pid
  wait_until 60 says "$name" 'listening on https?://[^ ]*'
  registry_url=$(says "$name" 'listening on https?://[^ ]*' | head -n 1 | cut -d' ' -f3)
  export registry_url registry_pid
}

# spring_application BOOT CLOUD: prints the path of the jar of compat/clients/spring for these versions.
spring_application() {
  local jar=$cache/spring-$1-$2.jar
  maven_jar "$compat/clients/spring" "spring-$1" "$jar" -Dboot.version="$1" -Dcloud.version="$2" >&2
  printf '%s\n' "$jar"
}

# register APP ID [JSON]: registers an instance, with the fields of the JSON object in place of the usual ones.
register() {
  python3 "$compat/lib.py" instance "$@" |
    curl -sf -H 'Content-Type: application/json' --data-binary @- "$registry_url/eureka/apps/$1"
}

# status_of APP ID: prints the instance's status in the registry, or nothing.
status_of() {
  curl -sf -H 'Accept: application/json' "$registry_url/eureka/apps/$1/$2" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["instance"]["status"])'
}

is_status() { [[ $(status_of "$1" "$2") == "$3" ]]; }

is_gone() { [[ $(curl -s -o /dev/null -w '%{http_code}' "$registry_url/eureka/apps/$1/$2") == 404 ]]; }
