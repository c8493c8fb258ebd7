# shellcheck shell=sh
# Stops what runs in a slot, once nobody is connected to it. Arguments: 1 service 2 slot 3 signal 4 seconds of grace
# 5 seconds to wait for connections to end 6 "cut" to go on after that whoever is connected, else "keep" 7 addresses
# that may be cut off after it (nginx machines, which were drained), separated by blanks 8 port of the configuration
# 9 "again": this run may have to start it again (revive), else "".
# Only processes with the slot's marker are stopped, each as PID and start time.
name=$1 slot=$2 signal=$3 grace=$4 wait=$5 cut=$6 may=$7 port=$8 again=$9
slot

# marked: "pid start" of each process of the slot; not of one that has the marker somewhere in another variable.
marked() {
	for p in $({
		with_env "SHIPCTL=$PROJECT/$name/$slot/"
		titled
	} | sort -un); do
		[ "$p" = $$ ] && continue
		case "$(mark_of "$p")" in "$PROJECT/$name/$slot/"*) ;; *) continue ;; esac
		s=$(proc_start "$p") && printf '%s %s\n' "$p" "$s"
	done
}

# shell PID: it is one, which passes no signal on to what it waits for.
shell() {
	case $(readlink "/proc/$1/exe" 2>/dev/null) in */sh | */dash | */bash | */ash | */busybox | */ksh* | */mksh | */zsh) return 0 ;; esac
	return 1
}

# tops LIST: tops are those of the list that no other one of it started, and those that a shell among the tops started.
tops() {
	tops='' more=1
	while [ -n "$more" ]; do
		more=''
		while read -r p s; do
			[ -n "$p" ] || continue
			case "$_nl$tops" in *"$_nl$p "*) continue ;; esac
			parent=$(sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$p/stat" 2>/dev/null)
			case "$_nl$1" in *"$_nl$parent "*)
				case "$_nl$tops" in *"$_nl$parent "*) shell "$parent" || continue ;; *) continue ;; esac
				;;
			esac
			tops="$tops$p $s$_nl" more=1
		done <<-EOF
			$1
		EOF
	done
}

# their_ports: where they listen.
their_ports() {
	ports=$port
	pids=$(printf '%s\n' "$1" | awk 'NF { print $1 }')
	[ -n "$pids" ] || return 0
	inodes=$(for p in $pids; do
		# shellcheck disable=SC2012
		ls -l "/proc/$p/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p'
	done)
	# shellcheck disable=SC2086
	ports=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v inodes="$(printf '%s ' $inodes)" '
		BEGIN { n = split(inodes, a, " "); for (i = 1; i <= n; i++) want[a[i]] = 1 }
		function hex(s,  i, n) { for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789ABCDEF", substr(s, i, 1)) - 1; return n }
		$4 == "0A" && ($10 in want) { split($2, l, ":"); print hex(l[2]) }' | sort -un | tr '\n' ' ')
}

# connected: "count address" of who is connected to them. It fails where that can't be seen, and so does others.
connected() {
	# shellcheck disable=SC2086
	_c=$(sockets 01 $ports) || return 1
	[ -z "$_c" ] || printf '%s\n' "$_c" | awk '{ n[$3]++ } END { for (a in n) print n[a], a }'
}

others() {
	_o=$(connected) || return 1
	[ -z "$_o" ] || printf '%s\n' "$_o" | while read -r n a; do
		case " $may " in *" $a "*) ;; *) printf '%s from %s, ' "$n" "$a" ;; esac
	done
}

# has_unit: there is a unit, and it is this slot's.
has_unit() { grep -qxF "EnvironmentFile=$home/$slot.env" "/etc/systemd/system/$unit" 2>/dev/null; }

# another PID: it is noted as another slot's, or as what that has forked.
another() {
	for note in "$home"/*.proc; do
		noted "$note" && { [ "$PID" = "$1" ] || [ "$(session_of "$1")" = "$PID" ]; } && return 0
	done
	return 1
}

procs=$(marked)
if [ -z "$procs" ] && ! has_unit; then
	# A program that is not known to be of another slot of ours may be this one, unrecognised.
	for held in $(listeners "$port" | awk '{ print $1 }'); do
		case $(env_of "$held" SHIPCTL) in "$PROJECT/"*) continue ;; esac
		if another "$held"; then continue; fi
		holder="pid $held: $(cmd_of "$held")"
		[ "$held" != '?' ] || holder='a process that this user may not see'
		held="nothing with the marker of $slot runs, and port $port is held by $holder. It was left alone"
		[ "$cut" = cut ] || die "$held: see what it is and stop it, then plan again."
		printf '%s\n' "$held"
		exit 0
	done
	forget_slot
	echo 'nothing runs there'
	exit 0
fi
unseen() { [ "$cut" = cut ] || die "who is connected to $slot could not be seen. It was not stopped."; }
[ -r /proc/net/tcp ] || unseen
their_ports "$procs"
# Where nothing takes its place, nginx goes on sending: only others are waited for.
waited_for() { if [ -n "$again" ]; then others; else connected; fi; }
begin=$(now_ms)
while { who=$(waited_for) || unseen; } && [ -n "$who" ] && [ $(($(now_ms) - begin)) -lt $((wait * 1000)) ]; do nap; done
left='' # who comes after nobody was there is not one who stayed
[ -z "$who" ] || left=$(others) || unseen
if [ -n "$left" ] && [ "$cut" != cut ]; then
	die "$slot still has connections after $wait s: ${left%, }. It was not stopped.
If that is an nginx that the configuration no longer names, route it elsewhere first. If it is a client that may be cut off, set disconnect = true in the service's stop block."
fi
connected | awk '{ n += $1; a = a ", " $2 } END { if (n) printf "cut off %d connection%s (%s)\n", n, (n == 1 ? "" : "s"), substr(a, 3) }'

if [ -n "$again" ]; then
	for f in "$home/$slot.again."*; do # of earlier runs
		[ "$f" = "$home/$slot.again.$RUN" ] || rm -f "$f"
	done
	kept="$home/$slot.again.$RUN"
	if [ ! -e "$kept" ]; then
		{ [ ! -e "$home/$slot.call" ] || cat "$home/$slot.call"; } | write_atomic "$kept" 600 || die "can't write $kept"
	fi
fi

# A stop turns restarting off first: systemctl stop does, and disable keeps a reboot from bringing it back.
if has_unit; then
	# As earlier versions wrote it, systemd kills what a wrapper has started once the wrapper itself is gone.
	if grep -qx 'KillMode=mixed' "/etc/systemd/system/$unit"; then
		for f in "$home/$slot.unit" "/etc/systemd/system/$unit"; do
			[ ! -e "$f" ] || sed 's/^KillMode=mixed$/KillMode=control-group/' "$f" | write_atomic "$f" 644 || die "can't write $f"
		done
		wrote_unit || die "can't write $home/$slot.unit.at"
		systemctl daemon-reload || die "systemctl daemon-reload failed"
	fi
	systemctl disable --quiet "$unit" 2>/dev/null
	systemctl stop "$unit" 2>&1 || die "systemctl stop $unit failed: $(systemctl status "$unit" -n 5 --no-pager 2>&1)"
	[ "$(systemctl show -p Result --value "$unit" 2>/dev/null)" != timeout ] || printf 'did not end within %s s: killed\n' "$grace"
	rm -f "/etc/systemd/system/$unit"
	systemctl daemon-reload
fi

# lives LIST: one of the processes is still that very process.
lives() {
	while read -r p s; do
		[ -n "$p" ] && proc_is "$p" "$s" && return 0
	done <<-EOF
		$1
	EOF
	return 1
}

# each SIGNAL LIST: checked again immediately before.
each() {
	printf '%s\n' "$2" | while read -r p s; do
		[ -n "$p" ] && proc_is "$p" "$s" && kill -s "$1" "$p" 2>/dev/null
	done
}

# without LIST: what of the list main has not.
without() {
	printf '%s\n' "$1" | while read -r p s; do
		case "$_nl$main" in *"$_nl$p $s$_nl"*) ;; *) [ -z "$p" ] || printf '%s %s\n' "$p" "$s" ;; esac
	done
}

# ends LIST: they are gone by the end of the grace, or are killed.
ends() {
	while lives "$1" && [ $(($(now_ms) - begin)) -lt $((grace * 1000)) ]; do nap; done
	lives "$1" || return 0
	printf 'did not end within %s s: killed\n' "$grace"
	each KILL "$1"
}

# What it has started carries the slot's marker too. It is told when nobody is left to tell it, and each only once: many
# programs take a second signal for impatience.
tops "$procs"
main=$tops
each "$signal" "$main"
begin=$(now_ms)
ends "$main"
rest=$(without "$(printf '%s\n' "$procs" "$(marked)" | sort -u)")
[ -z "$rest" ] || {
	each "$signal" "$rest"
	nap
	ends "$rest"
}
tries=0
while lives "$procs$_nl$rest"; do
	tries=$((tries + 1))
	[ $tries -lt 50 ] || die "$slot could not be stopped: $(marked | awk '{ print "pid " $1 }' | tr '\n' ' ')"
	nap
done
forget_slot
echo stopped
