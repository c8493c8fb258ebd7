# shellcheck shell=sh
# The processes with a text in their command line. Arguments: the text. Prints "proc PID START COMMAND", START in seconds
# since the epoch.
{ read -r _ </proc/1/stat; } 2>/dev/null || denied "other users' processes are hidden from $(id -un) (hidepid)"

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

boot=$(sed -n '/^btime /{s///p;q;}' /proc/stat)
# The text is in the environment of awk only: on its command line it would find itself. No command line is longer than 8 MB.
head -v -c 8388608 /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | WANT=$1 awk '
	BEGIN { want = ENVIRON["WANT"] }
	match($0, /^==> \/proc\/[0-9]+\/cmdline <==$/) { split($0, a, "/"); pid = a[3]; next }
	index($0, want) && !(pid in seen) { seen[pid] = 1; print pid }' |
	while read -r pid; do
		start=$(proc_start "$pid") || continue
		if elsewhere "$pid"; then continue; fi
		printf 'proc %s %s %s\n' "$pid" "$((boot + start / 100))" "$(cmd_of "$pid")"
	done
exit 0
