# shellcheck shell=sh
# Functions that every script of ours may use; sent in front of it. Variables that are set: STATE, the state directory;
# PROJECT; in steps also RUN, this apply; STEP, the step's ID; EPOCH, of its lease; LIMIT, the seconds that it has left;
# INPUT, a small input that may be secret.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
umask 022
_nl='
'

# die MESSAGE...: the script fails. absent and denied are a query's answers.
die() {
	printf '%s\n' "$*" >&2
	exit 1
}
absent() { exit 44; }
denied() {
	printf '%s\n' "$*" >&2
	exit 43
}

# have PROGRAM...: all of them are there.
have() {
	for _p in "$@"; do
		command -v "$_p" >/dev/null 2>&1 || return 1
	done
}

# proc_start PID: field 22 of stat, in ticks since boot. The name before it may hold anything, a ")" or a newline too.
proc_start() {
	_s=
	while IFS= read -r _l || [ -n "$_l" ]; do _s="$_s $_l"; done 2>/dev/null <"/proc/$1/stat" || return 1
	_s=${_s##*) }
	# shellcheck disable=SC2086
	set -- $_s
	case ${1:-} in Z | X | '') return 1 ;; esac
	shift 19
	printf '%s\n' "$1"
}

# proc_is PID START: that very process still lives.
proc_is() {
	_now=$(proc_start "$1") || return 1
	[ "$_now" = "$2" ]
}

# listening_sockets: "port inode" of every TCP socket (v4 and v6) that listens. /proc/net/tcp costs a walk through all
# connections that there could be (20 ms on a machine with much memory); ss asks the kernel for those that listen, if told
# so by "state": its -l wants closed ones too, and walks like the file.
listening_sockets() {
	[ -r /proc/net/tcp ] || denied '/proc/net/tcp: not permitted to read it'
	{
		{ have ss && ss -Htne state listening 2>/dev/null; } || printf '\n'
	} | awk '
		function hex(s,  i, n) { for (i = 1; i <= length(s); i++) n = n * 16 + index("123456789ABCDEF", substr(s, i, 1)); return n + 0 }
		match($0, / ino:[0-9]+ /) {
			some = 1
			i = substr($0, RSTART + 5, RLENGTH - 6)
			p = $3
			sub(/.*:/, "", p)
			print p, i
		}
		END {
			if (some) exit
			n = split("/proc/net/tcp /proc/net/tcp6", f, " ")
			for (k = 1; k <= n; k++) {
				while ((getline l < f[k]) > 0) {
					split(l, w, " ")
					if (w[4] != "0A") continue
					split(w[2], a, ":")
					print hex(a[2]), w[10]
				}
				close(f[k])
			}
		}'
}

# sockets STATE PORT...: "port inode peer" of the TCP sockets (v4 and v6) whose local port is one of PORTs.
# STATE is 0A for listening, 01 for established. The peer is an IP address, IPv6 in its canonical form (RFC 5952). The
# kernel hands the table out a page at a time, and may show twice what moves in between: a pair of addresses counts once.
# Of established ones the inode may be 0: ss finds them at a quarter of what the file costs, and is told them without.
sockets() {
	[ -r /proc/net/tcp ] || denied '/proc/net/tcp: not permitted to read it'
	_st=$1
	shift
	_ask=
	for _port in "$@"; do _ask="$_ask${_ask:+ or }sport = :$_port"; done
	if [ "$_st" = 01 ] && [ -n "$_ask" ] && have ss && _ask=$(ss -Htn state established "( $_ask )" 2>/dev/null); then
		printf '%s\n' "$_ask" | awk '
			NF >= 4 && !seen[$3, $4]++ {
				l = $3; sub(/.*:/, "", l)
				p = $4; sub(/:[0-9]+$/, "", p)
				gsub(/[][]|%.*/, "", p)
				if (p ~ /^::ffff:[0-9.]+$/) p = substr(p, 8)
				print l, 0, p
			}'
		return 0
	fi
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v st="$_st" -v ports="$*" '
		function byte(s, i) { return 16 * index("123456789ABCDEF", substr(s, i, 1)) + index("123456789ABCDEF", substr(s, i + 1, 1)) }
		function v4(s) { return byte(s, 7) "." byte(s, 5) "." byte(s, 3) "." byte(s, 1) }
		function group(x) { x = tolower(x); sub(/^0+/, "", x); return x == "" ? "0" : x }
		function v6(s,  i, g, run, from, most, out) {
			for (i = 0; i < 32; i += 8) {
				g[i / 4] = group(substr(s, i + 7, 2) substr(s, i + 5, 2))
				g[i / 4 + 1] = group(substr(s, i + 3, 2) substr(s, i + 1, 2))
			}
			most = 1
			for (i = 0; i < 8; i++) {
				run = g[i] == "0" ? run + 1 : 0
				if (run > most) { most = run; from = i - run + 1 }
			}
			for (i = 0; i < 8; i++) {
				if (most > 1 && i == from) { out = out "::"; i += most - 1; continue }
				out = out (out == "" || out ~ /::$/ ? "" : ":") g[i]
			}
			return out
		}
		BEGIN { n = split(ports, p, " "); for (i = 1; i <= n; i++) want[sprintf("%04X", p[i])] = p[i] }
		$4 == st {
			split($2, l, ":")
			if (!(l[2] in want) || st == "01" && seen[$2, $3]++) next
			peer = substr($3, 1, index($3, ":") - 1)
			if (length(peer) == 8) peer = v4(peer)
			else if (substr(peer, 1, 24) == "0000000000000000FFFF0000") peer = v4(substr(peer, 25))
			else peer = v6(peer)
			print want[l[2]], $10, peer
		}'
}

# socket_owners INODE...: "inode pid" for each process that holds one of the sockets. Costs a look through every
# process's open files: ask for what is not known otherwise only.
socket_owners() {
	[ $# -gt 0 ] || return 0
	{
		if find /proc/self/fd -maxdepth 0 -printf '' 2>/dev/null; then
			find /proc/[0-9]*/fd -maxdepth 1 -lname 'socket:*' -printf '%p %l\n' 2>/dev/null
		else
			for _d in /proc/[0-9]*/fd; do
				# shellcheck disable=SC2012
				ls -l "$_d" 2>/dev/null | sed -n "s|.* \([0-9]*\) -> \(socket:.*\)|$_d/\1 \2|p"
			done
		fi
	} | awk -v inodes="$*" '
		BEGIN { n = split(inodes, a, " "); for (i = 1; i <= n; i++) want["socket:[" a[i] "]"] = a[i] }
		($2 in want) { split($1, p, "/"); k = want[$2] " " p[3]; if (!(k in seen)) { seen[k] = 1; print k } }'
}

# listeners PORT: "pid start" of each process that listens there; then "? ?" when somebody does whom we may not see.
listeners() {
	if [ ! -r /proc/net/tcp ]; then
		printf '? ?\n'
		return 0
	fi
	_inodes=$(listening_sockets | awk -v p="$1" '$1 == p { print $2 }')
	[ -n "$_inodes" ] || return 0
	# shellcheck disable=SC2086
	_owners=$(socket_owners $_inodes)
	for _o in $(printf '%s\n' "$_owners" | awk '{ print $2 }' | sort -un); do
		_b=$(proc_start "$_o") && printf '%s %s\n' "$_o" "$_b"
	done
	_seen="$_nl$_owners"
	# A socket without an owner may have been closed meanwhile.
	for _i in $(listening_sockets | awk -v p="$1" '$1 == p { print $2 }'); do
		case $_seen in *"$_nl$_i "*) ;; *)
			printf '? ?\n'
			break
			;;
		esac
	done
	return 0
}

# peers PORT: "count address" of the established connections to the port, most first. It fails where they can't be seen.
peers() {
	_p=$(sockets 01 "$1") || return 1
	[ -z "$_p" ] || printf '%s\n' "$_p" | awk '{ n[$3]++ } END { for (a in n) print n[a], a }' | sort -rn
}

# env_of PID NAME: the variable's value in the environment that the process was started with. A newline in a value
# begins no other variable.
env_of() {
	tr '\n\0' '\001\n' 2>/dev/null <"/proc/$1/environ" | sed -n "/^$2=/{s///p;q;}" | tr '\001' '\n'
}

# with_env TEXT: the PIDs of the processes with an entry in their environment that contains TEXT, a line each; not of
# a container's, which are another machine's. Read with -z: without it busybox ends at the first entry.
with_env() {
	grep -lzF -e "$1" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ _pid _; do
		# shellcheck disable=SC3013 # dash and busybox have it
		[ "/proc/$_pid/ns/pid" -ef /proc/self/ns/pid ] && printf '%s\n' "$_pid"
	done
}

# cmd_of PID: its command line, cut to 120 printable characters.
cmd_of() {
	tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | tr -c ' -~' '?' | sed 's/^\(.\{120\}\).*/\1/; s/ *$//'
}

# sync_path PATH...: to the disk, the directory's entry too where the machine's sync can.
sync_path() { sync "$@" 2>/dev/null || sync; }

# write_atomic PATH MODE: standard input becomes the file's content, in one step.
write_atomic() {
	_t="$1.shipctl-$$"
	case $1 in */*) _d=${1%/*}/ ;; *) _d=. ;; esac
	(umask 077 && cat >"$_t") && chmod "$2" "$_t" && sync_path "$_t" && mv -fT "$_t" "$1" && sync_path "$_d" && return 0
	rm -f "$_t"
	return 1
}

# switch_link TARGET LINK: LINK points to TARGET, in one step; refused where LINK is anything but a link.
switch_link() {
	if [ -e "$2" ] && [ ! -L "$2" ]; then
		die "$2 is not a symbolic link: it was made by hand. Move it away (mv $2 $2.before-shipctl) and run again."
	fi
	[ -L "$2" ] && [ "$(readlink "$2")" = "$1" ] && return 0
	_t="$2.shipctl-$$"
	rm -f "$_t" && ln -sn "$1" "$_t" && mv -fT "$_t" "$2" && sync_path "$(dirname "$2")" && return 0
	rm -f "$_t"
	return 1
}

# now_ms: milliseconds of uptime, which no clock change moves.
now_ms() {
	read -r _u _ </proc/uptime
	_u=${_u%.*}${_u#*.}0
	# A leading zero would make it octal.
	while :; do case $_u in 0?*) _u=${_u#0} ;; *) break ;; esac done
	printf '%s\n' "$_u"
}

# interrupted: this run was told to stop. For steps that only wait: they end, and say so.
interrupted() {
	[ -r "$STATE/projects/$PROJECT/interrupt" ] || return 1
	read -r _i <"$STATE/projects/$PROJECT/interrupt" && [ "$_i" = "$RUN" ]
}

# nap: a short pause, a tenth of a second where sleep can.
nap() { sleep 0.1 2>/dev/null || sleep 1; }

# http_get SECONDS URL HOST INSECURE: the status on the first line, then the body, cut to 64 KiB, without NULs; 000 and
# the reason when there was no whole answer in time. HOST is the Host header, "" for the URL's own. Redirects are not
# followed. curl, else bash's own TCP.
http_get() {
	case $2 in http://*) _want='curl, or timeout and one of bash and nc,' ;; *) _want=curl ;; esac
	if have curl || { [ "$_want" != curl ] && have timeout && { have bash || have nc; }; }; then
		{
			if have curl; then _http_curl "$@"; else _http_plain "$@"; fi
			printf '\n@%s\n' "$?"
		} 2>&1 | head -c 70000 | tr -d '\0' | _http_answer "$1"
	else
		printf '000\n%s is not on this machine: install curl\n' "$_want"
	fi
}

_http_curl() {
	_k=
	[ "$4" = 1 ] && _k=-k
	# shellcheck disable=SC2086
	curl -q -sS -i $_k --http1.1 --max-time "$1" --noproxy '*' -A shipctl ${3:+-H "Host: $3"} -- "$2"
}

_http_plain() {
	_u=${2#http://}
	_u=${_u%%#*}
	_hp=${_u%%[/?]*}
	_path=${_u#"$_hp"}
	case $_path in /*) ;; *) _path=/$_path ;; esac
	_port=80
	_to=$_hp
	case $_hp in
	\[*\]:*) _port=${_hp##*:} _to=${_hp%:*} ;;
	\[*\]) ;;
	*:*) _port=${_hp##*:} _to=${_hp%:*} ;;
	esac
	_to=${_to#\[}
	if ! have bash; then
		printf 'GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: shipctl\r\nAccept: */*\r\nConnection: close\r\n\r\n' "$_path" "${3:-$_hp}" |
			timeout "$1" nc "${_to%\]}" "$_port"
		return
	fi
	# shellcheck disable=SC2016
	timeout "$1" bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 7
		printf "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: shipctl\r\nAccept: */*\r\nConnection: close\r\n\r\n" "$3" "$4" >&3
		exec cat <&3' sh "${_to%\]}" "$_port" "$_path" "${3:-$_hp}"
}

# _http_answer SECONDS: reads the head and the body, and behind them "@" and the client's status, unless it was cut.
_http_answer() {
	awk -v limit="$1" '
		{ line[NR] = $0 }
		END {
			n = NR
			failed = 0
			if (line[n] ~ /^@[0-9]+$/) {
				failed = substr(line[n--], 2) + 0
				if (line[n] == "") n--
			}
			for (i = 1; i <= n; i++) {
				sub(/\r$/, "", line[i])
				if (!inside) {
					if (line[i] !~ /^HTTP\/[0-9.]+ [0-9][0-9][0-9]/) break
					split(line[i], head, " ")
					inside = 1
				} else if (line[i] == "") {
					inside = 0
					if (head[2] !~ /^1/) { whole = 1; break }
				}
			}
			if (whole && !failed) {
				print head[2]
				left = 65536
				while (++i <= n && left > 0) {
					print substr(line[i], 1, left)
					left -= length(line[i]) + 1
				}
				exit
			}
			print "000"
			if (failed == 28 || failed == 124 || failed == 137 || failed == 143) print "no whole answer within " limit " s"
			else if (match(line[n], /(curl|bash|sh): .*/)) print substr(line[n], RSTART)
			else print (n > 0 ? "this is no answer of an HTTP server: " substr(line[1], 1, 200) : "the connection was closed without an answer")
		}'
}
