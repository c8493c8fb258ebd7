# shellcheck shell=sh
# Takes over: stops a program that a script or a person started, once nobody is connected to it. Arguments: 1 PID
# 2 start time 3 port 4 signal 5 seconds of grace 6 seconds to wait for connections 7 "cut" or "keep" 8 addresses that
# may be cut off 9 its systemd unit, "" for none.
pid=$1 start=$2 port=$3 signal=$4 grace=$5 wait=$6 cut=$7 may=$8 unit=$9

if ! proc_is "$pid" "$start"; then
	echo 'is gone already'
	exit 0
fi
others() {
	_o=$(peers "$port") || return 1
	[ -z "$_o" ] || printf '%s\n' "$_o" | while read -r n a; do
		case " $may " in *" $a "*) ;; *) printf '%s from %s, ' "$n" "$a" ;; esac
	done
}
unseen() { [ "$cut" = cut ] || die "who is connected to port $port could not be seen. It was not stopped."; }
begin=$(now_ms)
while { who=$(peers "$port") || unseen; } && [ -n "$who" ] && [ $(($(now_ms) - begin)) -lt $((wait * 1000)) ]; do nap; done
left='' # who comes after nobody was there is not one who stayed
[ -z "$who" ] || left=$(others) || unseen
if [ -n "$left" ] && [ "$cut" != cut ]; then
	die "pid $pid still has connections after $wait s: ${left%, }. It was not stopped. Route them elsewhere first, or set disconnect = true in the service's stop block."
fi
peers "$port" | awk '{ n += $1; a = a ", " $2 } END { if (n) printf "cut off %d connection%s (%s)\n", n, (n == 1 ? "" : "s"), substr(a, 3) }'

if [ -n "$unit" ] && have systemctl; then
	systemctl disable --quiet "$unit" 2>/dev/null
	systemctl stop "$unit" || die "systemctl stop $unit failed"
fi
proc_is "$pid" "$start" && kill -s "$signal" "$pid" 2>/dev/null
begin=$(now_ms)
while proc_is "$pid" "$start" && [ $(($(now_ms) - begin)) -lt $((grace * 1000)) ]; do nap; done
if proc_is "$pid" "$start"; then
	printf 'did not end within %s s: killed\n' "$grace"
	kill -s KILL "$pid"
fi
tries=0
while proc_is "$pid" "$start"; do
	tries=$((tries + 1))
	[ $tries -lt 50 ] || die "pid $pid could not be stopped"
	nap
done
echo stopped
