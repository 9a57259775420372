# Shell functions shared by the scripts here; sourced, never run.

# say prints one line about what the script does, to standard error.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die prints a reason and ends the script.
die() { say "$*"; exit 1; }

# started PID: when the process started, in the system's ticks; nothing when it has ended.
started() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }" # after the name in brackets: state is first, start time twentieth
  [ "${stat[0]}" != Z ] && echo "${stat[19]}"
}

# record PIDFILE PID: remembers a process. Its start time guards against an id that the system gives to somebody else later.
record() { echo "$2 $(started "$2")" >"$1"; }

# alive PIDFILE: true when the process that was recorded there still runs; its id is in $pid.
alive() {
  local since now
  read -r pid since 2>/dev/null <"$1" || return 1
  now=$(started "$pid") && [ "$now" = "$since" ]
}

# end PIDFILE: asks the process to end, insists after 20 seconds, and removes the file.
end() {
  local pid i
  if alive "$1"; then
    kill -CONT "$pid" 2>/dev/null || true
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < 200; i++)); do
      alive "$1" || break
      sleep 0.1
    done
    if alive "$1"; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$1"
}

# listening PORT: true when something accepts connections there on loopback.
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port prints a loopback port that nothing listens on, below the range that the system gives to outgoing
# connections, so that it stays free while a server of the rig is down.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    case " ${taken_ports:-} " in *" $port "*) continue ;; esac
    listening "$port" && continue
    taken_ports="${taken_ports:-} $port"
    free_port=$port
    return
  done
}

# http_ok PORT PATH: true when a GET there answers 200.
http_ok() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
  read -r -t 5 line <&3 || line=
  exec 3<&- 3>&-
  case $line in *" 200 "*) return 0 ;; esac
  return 1
} 2>/dev/null

# wait_for SECONDS LOG PIDFILE COMMAND...: waits until the command succeeds; when the process ends first or the
# time is over, prints the end of its log and fails.
wait_for() {
  local limit=$((SECONDS + $1)) log=$2 pidfile=$3
  shift 3
  until "$@"; do
    if ! alive "$pidfile"; then
      say "ended while starting; the first errors and the end of $log:"
      grep -m 5 -E 'ERROR|FATAL|OutOfMemory' "$log" >&2
      tail -n 40 "$log" >&2
      return 1
    fi
    if [ "$SECONDS" -ge "$limit" ]; then
      say "not ready in time; the end of $log:"
      tail -n 40 "$log" >&2
      return 1
    fi
    sleep 0.2
  done
}
