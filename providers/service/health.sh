# shellcheck shell=sh
# Waits until a slot is healthy, as answered by the process that was started, and by no other. Arguments: 1 service
# 2 slot 3 port 4 release 5 digest 6 runner 7 milliseconds between tries 8 seconds for a try 9 milliseconds in all
# 10 milliseconds it must stay healthy 11 kind 12 path 13 Host header 14 statuses, separated by blanks 15 body
# (grep -E) 16 directory 17 run_as; then, for kind exec, the command.
name=$1 slot=$2 port=$3 release=$4 digest=$5 runner=$6 interval=$7 timeout=$8 deadline=$9
shift 9
for_ms=$1 kind=$2 path=$3 host=$4 statuses=$5 body=$6 dir=$7 user=$8
shift 8
mark="$PROJECT/$name/$slot/$release/$digest"
unit="shipctl-$PROJECT-$name-$slot.service"
log="$STATE/projects/$PROJECT/services/$name/$slot.log"

last_lines() {
	printf 'Last lines of its log:\n'
	if [ "$runner" = systemd ]; then
		# Of this start only: the file is written right before it.
		since=$(stat -c %Y "$STATE/projects/$PROJECT/services/$name/$slot.env" 2>/dev/null)
		journalctl -u "$unit" ${since:+--since "@$since"} -n 20 -o cat --no-pager 2>/dev/null | sed 's/^/  | /'
	else
		tail -n 20 "$log" 2>/dev/null | sed 's/^/  | /'
	fi
}

# listener: who is the process with our marker that listens; WHY where there is none, or where another's socket may
# answer in its place (on an address of its own, or with SO_REUSEPORT).
listener() {
	inodes=$(sockets 0A "$port" | awk '{ print $2 }' | sort -u)
	[ -n "$inodes" ] || {
		why="nobody listens on port $port"
		return 1
	}
	# shellcheck disable=SC2086
	owners=$(socket_owners $inodes)
	for i in $inodes; do
		owner "$i" && continue
		who=
		return 1
	done
}

# owner INODE: a process with our marker holds the socket; its children, which may have another environment, may too.
owner() {
	other=
	for p in $(printf '%s\n' "$owners" | sed -n "s/^$1 //p" | sort -n); do
		m=$(env_of "$p" SHIPCTL)
		if [ "$m" = "$mark" ] && s=$(proc_start "$p"); then
			who="$p $s"
			return 0
		fi
		other="pid $p ($(cmd_of "$p")), which is not release $release of slot $slot${m:+, but $m}"
	done
	why="port $port is answered by ${other:-a process that this user may not see}"
	return 1
}

try_http() {
	answer=$(http_get "$timeout" "http://127.0.0.1:$port$path" "$host" 0)
	code=${answer%%
*}
	text=${answer#"$code"}
	text=${text#
}
	shown=$(printf '%s' "$text" | head -c 200 | tr -c ' -~' ' ')
	why="GET $path: $code $shown"
	case " $statuses " in
	*" $code "*) ;;
	*) return 1 ;;
	esac
	[ -z "$body" ] || printf '%s\n' "$text" | grep -Eq -e "$body" || {
		why="$why (a body matching $body is expected)"
		return 1
	}
}

try_exec() {
	as=
	[ -n "$user" ] && [ "$user" != "$(id -un)" ] && as="setpriv --reuid=$user --regid=$(id -g "$user") --init-groups"
	# shellcheck disable=SC2086
	out=$(cd "$dir" && timeout "$timeout" $as env SHIPCTL_SLOT="$slot" PORT="$port" "$@" 2>&1 </dev/null 9>&-)
	status=$?
	why="exit status $status: $(printf '%s' "$out" | tail -n 1 | head -c 200)"
	return $status
}

try() {
	listener || return 1
	case $kind in
	http) try_http ;;
	exec) try_exec "$@" ;;
	tcp) why="listens" ;;
	esac
}

# gone: the program has ended and nothing will start it again.
gone() {
	if [ "$runner" = systemd ]; then
		case $(systemctl show -p NRestarts -p ActiveState "$unit" 2>/dev/null) in
		*ActiveState=failed* | *NRestarts=[1-9]*) return 0 ;;
		esac
		return 1
	else
		[ -z "$(with_env "SHIPCTL=$mark")" ]
	fi
}

begin=$(now_ms)
since='' healthy_who='' answers=''
pause=$(awk -v ms="$interval" 'BEGIN { printf "%.2f", ms / 1000 }')
while :; do
	why='' who=''
	if try "$@"; then
		now=$(now_ms)
		if [ "$who" != "$healthy_who" ]; then
			healthy_who=$who since=$now
		fi
		if [ $((now - since)) -ge "$for_ms" ]; then
			printf 'healthy after %s ms (pid %s)\n' $((now - begin)) "${who%% *}"
			exit 0
		fi
	else
		healthy_who=
	fi
	now=$(now_ms)
	answers=$(printf '%s\n  %s ms: %s' "$answers" $((now - begin)) "$why" | tail -n 5)
	if [ $((now - begin)) -ge "$deadline" ]; then
		die "$slot (release $release) was not healthy within $((deadline / 1000)) s. Last answers:
$answers
$(last_lines)"
	fi
	if gone; then
		die "$slot (release $release) ended before it was healthy. Last answers:
$answers
$(last_lines)"
	fi
	sleep "$pause" 2>/dev/null || sleep 1
done
