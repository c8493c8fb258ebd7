# shellcheck shell=sh
# Who listens on this machine, and how it was started, for whoever writes it down. No arguments. Separated by tabs:
#   addr    IP                            an IPv4 address of this machine
#   listen  PORT ADDRESS PID              ADDRESS is 4 or 6 and the address in hex; PID is ? where we may not see it
#   proc    PID PPID USER UNIT KIND CWD   UNIT is the unit that was made for it, else -; KIND is ours where shipctl
#                                         started it, "secret" where something on its command line was left out, else -
#   arg     PID WORD                      \001 stands for a newline, \002 for a tab, \003 for what looks like a secret
#   env     PID NAME HOW                  HOW is port where the value is the port that it listens on, else -. The
#                                         values stay on the machine.
#   end
[ -r /proc/net/tcp ] || denied '/proc/net/tcp: not permitted to read it'

awk '/\|-- / { ip = $2 } /\/32 host LOCAL/ && ip !~ /^127\./ && !(ip in seen) { seen[ip] = 1; printf "addr\t%s\n", ip }' /proc/net/fib_trie 2>/dev/null

# "PORT ADDRESS INODE" of what listens.
listening=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '
	function hex(s,  i, n) { for (i = 1; i <= length(s); i++) n = n * 16 + index("123456789ABCDEF", substr(s, i, 1)); return n + 0 }
	$4 == "0A" {
		split($2, a, ":")
		print hex(a[2]), (length(a[1]) == 8 ? "4" : "6") a[1], $10
	}')
# shellcheck disable=SC2046
owners=$(socket_owners $(printf '%s\n' "$listening" | awk '{ print $3 }'))

held=$({
	printf '%s\n' "$owners"
	printf '%s\n' "$listening"
} | awk '
	NF == 2 { pids[$1] = pids[$1] " " $2 }
	NF == 3 {
		n = split(pids[$3], p, " ")
		if (!n) { print $1, $2, "?" }
		for (i = 1; i <= n; i++) print $1, $2, p[i]
	}' | sort -u)
printf '%s\n' "$held" | awk 'NF == 3 { printf "listen\t%s\t%s\t%s\n", $1, $2, $3 }'

# unit_of PID PPID: the unit that was made for that process, or for a shell that waits for it.
unit_of() {
	unit=$(sed -n 's|.*/\([^/]*\.service\)$|\1|p' "/proc/$1/cgroup" 2>/dev/null | head -n 1)
	if [ -n "$unit" ] && have systemctl; then
		of=$(systemctl show -p MainPID "$unit" 2>/dev/null)
		of=${of#MainPID=}
		if [ "$of" = "$1" ] || { [ "$of" = "$2" ] && [ "$of" -gt 1 ]; }; then
			printf '%s' "$unit" | tr -c ' -~' '?'
			return
		fi
	fi
	printf -- -
}

# words: a command line, a word a line, without what looks like a secret.
words() {
	tr '\n\t\0' '\001\002\n' | head -c 16384 | awk -v pid="$1" '
		function secret(s) { return tolower(s) ~ /pass(word|wd|phrase)?$|secret|token|credential|api[_.-]?key|private[_.-]?key|access[_.-]?key/ }
		{
			w = $0
			i = index(w, "=")
			if (hide && w !~ /^-/) w = "\003"
			else if (i && secret(substr(w, 1, i - 1))) w = substr(w, 1, i) "\003"
			while (match(w, /:\/\/[^\/@]*:[^\003\/@][^\/@]*@/)) w = substr(w, 1, RSTART + 2) "\003@" substr(w, RSTART + RLENGTH)
			hide = $0 ~ /^-/ && !i && secret($0)
			printf "arg\t%s\t%s\n", pid, w
		}'
}

for pid in $(printf '%s\n' "$held" | awk 'NF == 3 && $3 != "?" { print $3 }' | sort -un | head -n 300); do
	proc_start "$pid" >/dev/null || continue
	# shellcheck disable=SC3013 # dash and busybox have it
	[ "/proc/$pid/ns/pid" -ef /proc/self/ns/pid ] || [ ! -r "/proc/$pid/ns/pid" ] || continue # in a container
	ppid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
	kind=-
	tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -q '^SHIPCTL=' && kind=ours
	args=$(words "$pid" 2>/dev/null <"/proc/$pid/cmdline")
	user=$(stat -c %U "/proc/$pid" 2>/dev/null | tr -c 'A-Za-z0-9_.\n-' '?')
	cwd=$(readlink "/proc/$pid/cwd" 2>/dev/null | tr '\n\t' '\001\002')
	cwd=${cwd%"$(printf '\001')"}
	printf 'proc\t%s\t%s\t%s\t%s\t%s\t%s\n' "$pid" "${ppid:-0}" "${user:-?}" "$(unit_of "$pid" "${ppid:-0}")" "$kind" "$cwd"
	printf '%s\n' "$args"
	ports=$(printf '%s\n' "$held" | awk -v p="$pid" '$3 == p { printf " %s ", $1 }')
	tr '\n\t\0' '\001\002\n' 2>/dev/null <"/proc/$pid/environ" | awk -v pid="$pid" -v ports="$ports" '
		{
			i = index($0, "=")
			name = substr($0, 1, i - 1)
			value = substr($0, i + 1)
			if (i > 64 || name !~ /^[A-Za-z_][A-Za-z0-9_]*$/) next
			printf "env\t%s\t%s\t%s\n", pid, name, (value ~ /^[0-9]+$/ && index(ports, " " value " ") ? "port" : "-")
		}'
done
printf 'end\n'
exit 0
