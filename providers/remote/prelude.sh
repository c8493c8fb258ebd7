# shellcheck shell=sh
# Functions that every script of ours may use; sent in front of it. Variables that are set: STATE, the state directory;
# RUN, this apply; STEP, the step's ID; INPUT, a small input that may be secret. In queries only STATE and PROJECT are.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
umask 022

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

# proc_start PID: field 22 of stat, in ticks since boot. The name before it may hold anything, a ")" too.
proc_start() {
	[ -r "/proc/$1/stat" ] || return 1
	_s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	_s=${_s##*) }
	# shellcheck disable=SC2086
	set -- $_s
	case $1 in Z | X | '') return 1 ;; esac
	shift 19
	printf '%s\n' "$1"
}

# proc_is PID START: that very process still lives.
proc_is() {
	_now=$(proc_start "$1") || return 1
	[ "$_now" = "$2" ]
}

# sockets STATE PORT...: "port inode peer" of the TCP sockets (v4 and v6) whose local port is one of PORTs.
# STATE is 0A for listening, 01 for established. The peer is a dotted IPv4 address, or IPv6 in hex.
sockets() {
	_st=$1
	shift
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v st="$_st" -v ports="$*" '
		function hex(s,  i, n) {
			n = 0
			for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789ABCDEF", toupper(substr(s, i, 1))) - 1
			return n
		}
		function v4(s) { return hex(substr(s, 7, 2)) "." hex(substr(s, 5, 2)) "." hex(substr(s, 3, 2)) "." hex(substr(s, 1, 2)) }
		BEGIN { n = split(ports, p, " "); for (i = 1; i <= n; i++) want[p[i]] = 1 }
		$4 == st {
			split($2, l, ":")
			port = hex(l[2])
			if (!(port in want)) next
			split($3, r, ":")
			peer = r[1]
			if (length(peer) == 8) peer = v4(peer)
			else if (substr(peer, 1, 24) == "0000000000000000FFFF0000") peer = v4(substr(peer, 25, 8))
			print port, $10, peer
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

# listeners PORT: "pid start" of each process that listens there; "? ?" when somebody does whom we may not see.
listeners() {
	_inodes=$(sockets 0A "$1" | awk '{ print $2 }')
	[ -n "$_inodes" ] || return 0
	# shellcheck disable=SC2086
	_owners=$(socket_owners $_inodes | awk '{ print $2 }' | sort -un)
	[ -n "$_owners" ] || {
		printf '? ?\n'
		return 0
	}
	for _o in $_owners; do
		_b=$(proc_start "$_o") && printf '%s %s\n' "$_o" "$_b"
	done
	return 0
}

# peers PORT: "count address" of the established connections to the port, most first.
peers() {
	sockets 01 "$1" | awk '{ n[$3]++ } END { for (a in n) print n[a], a }' | sort -rn
}

# env_of PID NAME: the variable's value in the environment that the process was started with.
env_of() {
	tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | sed -n "s/^$2=//p" | head -n 1
}

# cmd_of PID: its command line, cut to 120 printable characters.
cmd_of() {
	tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | tr -c '[:print:]' '?' | cut -c 1-120
}

# sync_path PATH...: to the disk, the directory's entry too where the machine's sync can.
sync_path() { sync "$@" 2>/dev/null || sync; }

# write_atomic PATH MODE: standard input becomes the file's content, in one step.
write_atomic() {
	_t="$1.shipctl-$$"
	(umask 077 && cat >"$_t") && chmod "$2" "$_t" && sync_path "$_t" && mv -f "$_t" "$1" && sync_path "$(dirname "$1")" && return 0
	rm -f "$_t"
	return 1
}

# switch_link TARGET LINK: LINK points to TARGET, in one step; refused where LINK is anything but a link.
switch_link() {
	if [ -e "$2" ] && [ ! -L "$2" ]; then
		die "$2 is not a symbolic link: it was made by hand. Move it away (mv $2 $2.before-shipctl) and run again."
	fi
	[ "$(readlink "$2" 2>/dev/null)" = "$1" ] && return 0
	_t="$2.shipctl-$$"
	ln -s "$1" "$_t" && mv -T "$_t" "$2" && sync_path "$(dirname "$2")" && return 0
	rm -f "$_t"
	return 1
}

# now_ms: milliseconds of uptime, which no clock change moves.
now_ms() {
	read -r _u _ </proc/uptime
	printf '%s%s0\n' "${_u%.*}" "${_u#*.}"
}

# nap: a short pause, a tenth of a second where sleep can.
nap() { sleep 0.1 2>/dev/null || sleep 1; }

# http_get SECONDS URL HOST INSECURE: the status on the first line (000 when there was no answer), then the body, cut
# to 64 KiB. HOST is the Host header, "" for the URL's own. Redirects are not followed. curl, else bash's own TCP.
http_get() {
	if have curl; then
		_k=
		[ "$4" = 1 ] && _k=-k
		_h=${3:-}
		# shellcheck disable=SC2086
		_r=$(curl -q -sS $_k --max-time "$1" --noproxy '*' -o - -w '\n%{http_code}' ${_h:+-H "Host: $_h"} -- "$2" 2>&1)
		printf '%s\n' "${_r##*
}"
		printf '%s\n' "${_r%
*}" | head -c 65536
		return 0
	fi
	case $2 in
	http://*) ;;
	*)
		printf '000\nno curl on this machine, which https needs: install curl\n'
		return 0
		;;
	esac
	if ! have bash timeout; then
		printf '000\nneither curl nor bash on this machine: install curl\n'
		return 0
	fi
	_u=${2#http://}
	_hp=${_u%%/*}
	_path=/${_u#"$_hp"}
	_path=/${_path#//}
	_port=${_hp##*:}
	[ "$_port" = "$_hp" ] && _port=80
	# shellcheck disable=SC2016
	_r=$(timeout "$1" bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1
		printf "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n" "$3" "$4" >&3
		head -c 66000 <&3' sh "${_hp%:*}" "$_port" "$_path" "${3:-$_hp}" 2>&1 | tr -d '\0\r')
	case $_r in
	HTTP/*)
		printf '%s\n' "$_r" | awk 'NR == 1 { print $2; next } body { print } $0 == "" { body = 1 }'
		;;
	*) printf '000\n%s\n' "$_r" ;;
	esac
}
