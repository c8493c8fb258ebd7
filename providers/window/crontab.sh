# shellcheck shell=sh
# The crontabs of this machine. Arguments: the users who matter; none: all. Prints
#   daemon cronie|cron|?       which cron it is: cronie's CRON_TZ is a schedule's zone, others' is not
#   file system|user NAME PATH and the file's lines, each behind "|"
#   run PID START COMMAND      what cron has started and still runs; START in seconds since the epoch
# What can't be read is said with status 43: a job that nobody sees would be taken for none.

# wanted USER: it is one of those who matter.
users=" $* "
wanted() {
	[ "$users" = '  ' ] && return 0
	case $users in *" $1 "*) return 0 ;; esac
	return 1
}

show() {
	printf 'file %s %s %s\n' "$1" "$2" "$3"
	# awk ends a last line too that the file does not end.
	{ [ -r "$3" ] && awk '{ print "|" $0 }' "$3" 2>/dev/null; } || denied "$3: not permitted to read it"
}

daemon='?'
if have crond; then
	case $(crond -V 2>&1 </dev/null | head -n 1) in cronie*) daemon=cronie ;; esac
elif have cron; then
	daemon=cron
fi
printf 'daemon %s\n' "$daemon"

# belongs NAME: cron reads a file of that name in /etc/cron.d. Debian's reads letters, digits, _ and - only.
belongs() {
	case $1 in .* | '#'* | *'~' | *.rpmsave | *.rpmorig | *.rpmnew) return 1 ;; esac
	[ -e /etc/debian_version ] || return 0
	case $1 in *[!A-Za-z0-9_-]*) return 1 ;; esac
}

if [ -e /etc/crontab ]; then show system - /etc/crontab; fi
if [ -d /etc/cron.d ]; then
	ls /etc/cron.d >/dev/null 2>&1 || denied '/etc/cron.d: not permitted to read it'
	for f in /etc/cron.d/*; do
		if [ -f "$f" ] && belongs "${f##*/}"; then show system - "$f"; fi
	done
fi

# The first of these that is there is where users' crontabs are: Debian's, busybox's, the others'.
spool=
for d in /var/spool/cron/crontabs /etc/crontabs /var/spool/cron; do
	if [ -z "$spool" ] && [ -d "$d" ]; then spool=$d; fi
done
me=$(id -un)
if [ -n "$spool" ] && [ "$(id -u)" != 0 ]; then
	# Another's can't be read, and the directory not listed; our own through crontab.
	if [ "$users" != " $me " ]; then
		denied "$spool: $me is not permitted to read the crontabs of others: set sudo = true for this machine, or users = [\"$me\"]"
	fi
	if mine=$(crontab -l 2>&1); then
		printf 'file user %s crontab\n%s\n' "$me" "$mine" | sed '2,$s/^/|/'
	else
		case $mine in *'no crontab for'*) ;; *) denied "crontab -l: $mine" ;; esac
	fi
elif [ -n "$spool" ]; then
	ls "$spool" >/dev/null 2>&1 || denied "$spool: not permitted to read it"
	for f in "$spool"/*; do
		u=${f##*/}
		case $u in tmp.* | .* | *'~' | cron.update) continue ;; esac
		if [ -f "$f" ] && wanted "$u"; then show user "$u" "$f"; fi
	done
fi

# elsewhere PID: it is in a container: another machine's. Whose namespace we may not look at is told by NSpid, which names
# a pid for each border; what neither says runs here.
elsewhere() {
	# shellcheck disable=SC3013 # dash and busybox have it
	if [ -e "/proc/$1/ns/pid" ]; then
		[ ! "/proc/$1/ns/pid" -ef /proc/self/ns/pid ]
	else
		grep -q '^NSpid:[[:space:]]*[0-9][0-9]*[[:space:]][[:space:]]*[0-9]' "/proc/$1/status" 2>/dev/null
	fi
}

# What cron runs: the children of its processes that are no cron themselves.
boot=$(sed -n '/^btime /{s///p;q;}' /proc/stat)
cat /proc/[0-9]*/stat 2>/dev/null | awk '
	match($0, /^[0-9]+ \(/) {
		pid = $1 + 0
		rest = $0
		sub(/.*\) /, "", rest)
		n = split(rest, f, " ")
		if (n < 20) next
		name = substr($0, RLENGTH + 1, length($0) - RLENGTH - length(rest) - 2)
		parent[pid] = f[2]; start[pid] = f[20]; state[pid] = f[1]
		if (name == "cron" || name == "crond" || name == "CRON" || name == "CROND") cron[pid] = 1
	}
	END { for (p in parent) if ((parent[p] in cron) && !(p in cron) && state[p] != "Z") print p, start[p] }' |
	while read -r pid start; do
		if elsewhere "$pid"; then continue; fi
		[ -r "/proc/$pid/cmdline" ] || continue
		command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | tr -c ' -~' '?' | cut -c 1-1000)
		[ -n "$command" ] && printf 'run %s %s %s\n' "$pid" "$((boot + start / 100))" "$command"
	done
exit 0
