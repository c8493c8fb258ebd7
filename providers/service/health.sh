# shellcheck shell=sh
# Waits until a slot is healthy, as answered by the process that was started, and by no other. Arguments: 1 service
# 2 slot 3 port 4 release 5 digest 6 runner 7 milliseconds between tries 8 seconds for a try 9 milliseconds in all
# (no try begins later, and none that ends later counts) 10 milliseconds it must stay healthy 11 kind 12 path 13 Host header 14 statuses, separated by blanks 15 body
# (grep -E) 16 directory 17 run_as; then, for kind exec, the command.
name=$1 slot=$2 port=$3 release=$4 digest=$5 runner=$6 interval=$7 timeout=$8 deadline=$9
shift 9
for_ms=$1 kind=$2 path=$3 host=$4 statuses=$5 body=$6 dir=$7 user=$8
shift 8
slot

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

# What it leaves running must not keep us waiting, so its output goes by way of a file, which has no name any more then.
try_exec() {
	probe=$home/$slot.probe
	(umask 077 && : >"$probe") || {
		why="can't write $probe"
		return 1
	}
	exec 7>"$probe"
	exec 8<"$probe"
	rm -f "$probe"
	# shellcheck disable=SC2086
	(cd "$dir" && exec timeout -k 1 "$timeout" $as env SHIPCTL_SLOT="$slot" PORT="$port" "$@" </dev/null >&7 2>&1 7>&- 8<&- 9>&-)
	status=$?
	exec 7>&-
	why="exit status $status: $(tail -n 1 <&8 | tr -d '\0' | head -c 200)"
	exec 8<&-
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
		[ -z "$(with_env "SHIPCTL=$mark")" ] && ! noted "$home/$slot.proc"
	fi
}

# late: the deadline has passed. What a try may take at the end is rounded up to a second: not every timeout knows parts.
late() {
	left=$((begin + deadline - $(now_ms)))
	[ "$left" -le 0 ]
}

failed() {
	die "$slot (release $release) was not healthy within $((deadline / 1000)) s. Last answers:
$answers
$(last_lines)"
}

[ "$kind" != exec ] || as_user "$user"
begin=$(now_ms)
since='' healthy_who='' answers='' longest=$timeout
while :; do
	if late && [ -n "$answers" ]; then failed; fi
	timeout=$(((left + 999) / 1000))
	[ "$timeout" -gt 0 ] || timeout=1
	[ "$timeout" -lt "$longest" ] || timeout=$longest
	why='' who='' pause=$interval
	if ! try "$@"; then
		healthy_who=
	elif late; then
		why="$why (too late)"
	else
		now=$(now_ms)
		if [ "$who" != "$healthy_who" ]; then
			healthy_who=$who since=$now
		fi
		if [ $((now - since)) -ge "$for_ms" ]; then
			note "$home/$slot.healthy" "${who%% *}" "${who##* }" || die "can't write $home/$slot.healthy"
			printf 'healthy after %s ms (pid %s)\n' $((now - begin)) "${who%% *}"
			exit 0
		fi
		[ $((since + for_ms - now)) -ge "$pause" ] || pause=$((since + for_ms - now))
	fi
	answers=$(printf '%s\n  %s ms: %s' "$answers" $(($(now_ms) - begin)) "$why" | tail -n 5)
	if late; then failed; fi
	if interrupted; then
		die "told to stop after $(($(now_ms) - begin)) ms, before $slot was healthy. Last answers:
$answers"
	fi
	if gone; then
		die "$slot (release $release) ended before it was healthy. Last answers:
$answers
$(last_lines)"
	fi
	[ "$pause" -le "$left" ] || pause=$left
	sleep "$(awk -v ms="$pause" 'BEGIN { printf "%.2f", int((ms + 9) / 10) / 100 }')" 2>/dev/null || sleep 1
done
