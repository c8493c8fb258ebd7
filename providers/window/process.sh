# shellcheck shell=sh
# The processes with a text in their command line. Arguments: the text. Prints "proc PID START COMMAND", START in seconds
# since the epoch.
{ read -r _ </proc/1/stat; } 2>/dev/null || denied "other users' processes are hidden from $(id -un) (hidepid)"
boot=$(sed -n '/^btime /{s///p;q;}' /proc/stat)
# The text is in the environment of awk only: on its command line it would find itself.
head -v -c 4096 /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | WANT=$1 awk '
	BEGIN { want = ENVIRON["WANT"] }
	match($0, /^==> \/proc\/[0-9]+\/cmdline <==$/) { split($0, a, "/"); pid = a[3]; next }
	index($0, want) && !(pid in seen) { seen[pid] = 1; print pid }' |
	while read -r pid; do
		start=$(proc_start "$pid") || continue
		# shellcheck disable=SC3013 # dash and busybox have it
		[ "/proc/$pid/ns/pid" -ef /proc/self/ns/pid ] || continue # in a container: another machine's
		printf 'proc %s %s %s\n' "$pid" "$((boot + start / 100))" "$(cmd_of "$pid")"
	done
exit 0
