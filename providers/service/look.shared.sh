# shellcheck shell=sh
# For all looks of one machine, once: who has our marker, who listens, what systemd knows of our units, and what the slots
# answer. Arguments: "each" and a look's; at last "all". It sets
#   MARKED     grep's findings, a line each: "/proc/PID/environ:SHIPCTL=PROJECT/SERVICE/SLOT/RELEASE/DIGEST"
#   LISTENING  "PORT PID" of processes with our marker or note, "PORT ?INODE" of the asked ports that none of them holds
#   BTIME      when the machine was started, in seconds since 1970
#   UNITOF     "UNIT SERVICE SLOT" of the units that there are
#   UNITS      "UNIT STATE ENABLED" of each
#   SUMS       "SHA256  FILE" of their files and of the copies of those
#   SOH, TAB   these two characters
#   ANSWERS    for each "@ASKED", the status, and "|" with the beginning of the body as a look prints it, a line each
if [ "$1" = each ]; then
	shift
	name=$1
	shift
	for s in "$@"; do
		SLOTS="${SLOTS:-}$name $s$_nl"
		s=${s#* }
		PORTS="${PORTS:- }${s%% *} "
	done
	return 0
fi

MARKED=$(grep -azHF -e "SHIPCTL=$PROJECT/" /proc/[0-9]*/environ 2>/dev/null | tr '\n\0' '?\n')
noted=
for f in "$STATE/projects/$PROJECT/services"/*/*.proc; do
	[ -e "$f" ] || continue
	{ read -r _ p _ <"$f"; } 2>/dev/null || continue
	case $p in '' | *[!0-9]*) ;; *) noted="$noted /proc/$p/fd" ;; esac
done
# The shell alone: on a busy machine each process less is worth it.
dirs='' _ifs=$IFS
IFS=$_nl
set -f
for f in $MARKED; do
	p=${f#/proc/}
	p=${p%%/*}
	case $p in '' | *[!0-9]*) continue ;; esac
	case "$dirs " in *" /proc/$p/fd "*) ;; *) dirs="$dirs /proc/$p/fd" ;; esac
done
set +f
IFS=$_ifs
# shellcheck disable=SC2012,SC2086
LISTENING=$({
	listening_sockets
	[ -z "$dirs$noted" ] || ls -l $dirs $noted /proc/self/fd 2>/dev/null
} | awk -v ports="${PORTS:- }" '
	NF == 2 && /^[0-9]+ [0-9]+$/ { port[$2] = $1; next }
	/^\/proc\/[0-9]+\/fd:/ { split($0, a, "/"); pid = a[3]; next }
	/^\/proc\/self/ { pid = ""; next }
	pid != "" && match($0, /socket:\[[0-9]+\]/) {
		i = substr($0, RSTART + 8, RLENGTH - 9)
		if (!(i in port)) next
		held[i] = 1
		if (!((port[i], pid) in seen)) print port[i], pid
		seen[port[i], pid] = 1
	}
	END { for (i in port) if (!(i in held) && index(ports, " " port[i] " ")) print port[i], "?" i }')

BTIME=$(sed -n '/^btime /{s///p;q;}' /proc/stat)
TAB=$(printf '\t\001')
SOH=${TAB#?} TAB=${TAB%?}

# ours SERVICE SLOT: adds its unit, if there is one and it is this slot's.
ours() {
	u="shipctl-$PROJECT-$1-$2.service"
	case "$_nl$units" in *"$_nl$u$_nl"*) return 0 ;; esac
	while IFS= read -r l; do
		[ "$l" = "EnvironmentFile=$STATE/projects/$PROJECT/services/$1/$2.env" ] || continue
		units="$units$u$_nl" UNITOF="$UNITOF$u $1 $2$_nl"
		return 0
	done 2>/dev/null <"/etc/systemd/system/$u"
	return 0
}

# states STATE...: makes UNITS of what systemctl says of each of units. What a link leads to is started at boot; "show" knows
# that too, and costs systemd milliseconds for each unit.
states() {
	for u in $units; do
		[ $# -gt 0 ] || break
		enabled=disabled
		for l in "/etc/systemd/system/"*.wants/"$u" "/etc/systemd/system/"*.requires/"$u"; do
			[ ! -L "$l" ] || enabled=enabled
		done
		UNITS="$UNITS$u $1 $enabled$_nl"
		shift
	done
}

# Sets units, asked (a slot a line), and the arguments of one curl for all.
units='' UNITOF=$_nl asked='' _ifs=$IFS
read -r token </proc/sys/kernel/random/uuid
IFS=$_nl
set -f
set --
for s in ${SLOTS:-}; do
	name=${s%% *}
	s=${s#* }
	slot=${s%% *}
	ours "$name" "$slot"
	s=${s#* }
	port=${s%% *}
	s=${s#* }
	path=${s%% *}
	host=${s#* }
	[ "$path" = - ] && continue
	case "$_nl$LISTENING" in *"$_nl$port "*) ;; *) continue ;; esac
	case $MARKED in *":SHIPCTL=$PROJECT/$name/$slot/"*) ;; *) continue ;; esac
	[ $# = 0 ] || set -- "$@" --next
	set -- "$@" -sS -i --http1.1 --max-time 2 --noproxy '*' -A shipctl -w "\n@$token %{exitcode}\n" ${host:+-H} ${host:+"Host: $host"} "http://127.0.0.1:$port$path"
	asked="$asked$port $path $host$_nl"
done
set +f
IFS=$_ifs
# A slot that was renamed since has left its variables.
for e in "$STATE/projects/$PROJECT/services"/*/*.env; do
	slot=${e##*/} name=${e%/*}
	ours "${name##*/}" "${slot%.env}"
done
UNITS='' SUMS='' files=''
if [ -n "$units" ]; then
	# shellcheck disable=SC2046,SC2086
	! have systemctl || states $(systemctl is-active -- $units 2>/dev/null)
	set -f
	IFS=$_nl
	for u in $units; do files="$files/etc/systemd/system/$u$_nl"; done
	for u in $UNITOF; do
		u=${u#* }
		files="$files$STATE/projects/$PROJECT/services/${u%% *}/${u#* }.unit$_nl"
	done
	# shellcheck disable=SC2086
	SUMS=$(sha256sum -- $files 2>/dev/null)
	IFS=$_ifs
	set +f
fi
ANSWERS=''
if [ $# -gt 0 ] && have curl; then
	ANSWERS=$(curl -q "$@" 2>/dev/null | tr -d '\0' | ASKED=$asked TOKEN="@$token " awk '
		function flush(  i, head, n, out, whole, inside, left) {
			print "@" asked[++k]
			if (failed != "0") { print "000\n|"; return }
			for (i = 1; i <= count; i++) {
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
			if (!whole) { print "000\n|"; return }
			printf "%s\n|", head[2]
			left = 600
			while (++i <= count && left > 0) {
				out = substr(line[i], 1, left)
				left -= length(out) + 1
				gsub(/\t/, " ", out)
				printf "%s%s", out, (i < count && left > 0 ? "\001" : "\n")
				ended = 1
			}
			if (!ended) print ""
			ended = 0
		}
		BEGIN { split(ENVIRON["ASKED"], asked, "\n") }
		index($0, ENVIRON["TOKEN"]) == 1 && NF == 2 { failed = $2; if (line[count] == "") count--; flush(); count = 0; next }
		{ line[++count] = $0 }')
fi
