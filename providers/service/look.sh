# shellcheck shell=sh
# What runs of a service on this machine. Arguments: the service's name, then for each slot "NAME PORT PATH HOST": PATH
# is asked on 127.0.0.1:PORT when a process of ours listens there ("-": nothing is asked).
# Prints, separated by tabs:
#   boot    SECONDS-SINCE-EPOCH TICKS-PER-SECOND
#   proc    PID START SLOT RELEASE DIGEST CWD        a process with our marker that no other one of ours started
#   listen  PORT PID START OWNER PROGRAM UNIT        OWNER: our slot's name, "-" for a stranger, "?" not permitted to see
#   unit    SLOT STATE ENABLED MAINPID
#   link    SLOT TARGET
#   answer  PORT STATUS FIRST-LINES-OF-THE-BODY
name=$1
shift
mark="SHIPCTL=$PROJECT/$name/"

# parent PID: sets ppid and start, without another process.
parent() {
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	stat=${stat##*) }
	# shellcheck disable=SC2086
	set -- $stat
	case $1 in Z | X) return 1 ;; esac
	ppid=$2
	shift 19
	start=$1
}

printf 'boot\t%s\t%s\n' "$(sed -n 's/^btime //p' /proc/stat)" "$(getconf CLK_TCK 2>/dev/null || echo 100)"

# The query's own shells may carry a marker (a deployment from within a job): they are no service.
all=' '
for p in $(with_env "$mark"); do
	all="$all$p "
done
mains=
for p in $all; do
	parent "$p" || continue
	case $all in *" $ppid "*) continue ;; esac
	m=$(tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | sed -n "s|^$mark||p" | head -n 1)
	[ -n "$m" ] || continue
	old=$IFS
	IFS=/
	# shellcheck disable=SC2086
	set -f -- $m "$@"
	IFS=$old
	slot=$1 release=$2 digest=$3
	shift 3
	set +f
	mains="$mains $p:$slot"
	printf 'proc\t%s\t%s\t%s\t%s\t%s\t%s\n' "$p" "$start" "$slot" "$release" "$digest" "$(readlink "/proc/$p/cwd" 2>/dev/null)"
done

ports=' '
for s in "$@"; do
	s=${s#* }
	ports="$ports${s%% *} "
done

# owners: "inode pid" of our own processes' sockets. One of them may listen where no slot is configured any more: its
# port was changed since.
owners=
dirs=
for p in $all; do dirs="$dirs /proc/$p/fd"; done
# shellcheck disable=SC2012,SC2086
[ -z "$dirs" ] || owners=$(ls -l $dirs /proc/self/fd 2>/dev/null | awk '
	/^\/proc\/[0-9]+\/fd:/ { split($0, a, "/"); pid = a[3]; next }
	/^\/proc\/self/ { pid = ""; next }
	pid != "" && match($0, /socket:\[[0-9]+\]/) { print substr($0, RSTART + 8, RLENGTH - 9), pid }')

# listening: "port inode" of the configured ports, and of those where our own processes listen.
[ -r /proc/net/tcp ] || denied '/proc/net/tcp: not permitted to read it'
listening=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | owners=$owners awk -v ports="$ports" '
	function hex(s,  i, n) { for (i = 1; i <= length(s); i++) n = n * 16 + index("123456789ABCDEF", substr(s, i, 1)); return n + 0 }
	BEGIN { n = split(ENVIRON["owners"], o, /[ \n]+/); for (i = 1; i < n; i += 2) mine[o[i]] = 1 }
	$4 == "0A" {
		split($2, l, ":")
		port = hex(l[2])
		if (index(ports, " " port " ") || ($10 in mine)) print port, $10
	}' | sort -u)

# A look through everybody's open files only for what is left.
left=
for i in $(printf '%s\n' "$listening" | awk '{ print $2 }'); do
	case "
$owners" in *"
$i "*) ;; *) left="$left $i" ;; esac
done
# shellcheck disable=SC2086
[ -z "$left" ] || owners="$owners
$(socket_owners $left)"

# listener PORT PID: one line about who listens.
listener() {
	parent "$2" || return 0
	slot=- prog=- unit=-
	case $all in *" $2 "*)
		slot=$(tr '\0' '\n' <"/proc/$2/environ" 2>/dev/null | sed -n "s|^$mark\([^/]*\)/.*|\1|p" | head -n 1)
		;;
	*)
		prog=$(cmd_of "$2")
		unit=$(sed -n 's|.*/\([^/]*\.service\)$|\1|p' "/proc/$2/cgroup" 2>/dev/null | head -n 1)
		;;
	esac
	printf 'listen\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$start" "${slot:--}" "${prog:--}" "${unit:--}"
}

printf '%s\n' "$listening" | while read -r port inode; do
	[ -n "$inode" ] || continue
	pids=$(printf '%s\n' "$owners" | sed -n "s/^$inode //p" | sort -un)
	[ -n "$pids" ] || printf 'listen\t%s\t0\t0\t?\t-\t-\n' "$port"
	for p in $pids; do listener "$port" "$p"; done
done | sort -u

# unit SLOT: what systemd says of it.
unit() {
	u="shipctl-$PROJECT-$name-$1.service"
	if [ -e "/etc/systemd/system/$u" ] && have systemctl; then
		systemctl show "$u" -p ActiveState -p UnitFileState -p MainPID 2>/dev/null | awk -v s="$1" -F= '
			{ v[$1] = $2 } END { printf "unit\t%s\t%s\t%s\t%s\n", s, v["ActiveState"], v["UnitFileState"], v["MainPID"] }'
	fi
}

slots=' '
for s in "$@"; do
	slot=${s%% *}
	slots="$slots$slot "
	unit "$slot"
	s=${s#* }
	port=${s%% *}
	s=${s#* }
	path=${s%% *}
	host=${s#* }
	[ "$path" = - ] && continue
	case " $mains " in *":$slot "*) ;; *) continue ;; esac
	case "$listening" in "$port "* | *"
$port "*) ;; *) continue ;; esac
	http_get 2 "http://127.0.0.1:$port$path" "$host" 0 | head -c 600 | awk -v port="$port" '
		{ gsub(/\t/, " ") }
		NR == 1 { printf "answer\t%s\t%s\t", port, $0; next }
		{ printf "%s%s", sep, $0; sep = "\001" }
		END { print "" }'
done
# A slot that was renamed since has left its variables here.
for e in "$STATE/projects/$PROJECT/services/$name"/*.env; do
	slot=${e##*/}
	slot=${slot%.env}
	case $slots in *" $slot "*) ;; *) unit "$slot" ;; esac
done
exit 0
