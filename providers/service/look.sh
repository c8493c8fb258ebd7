# shellcheck shell=sh
# What runs of a service on this machine. Arguments: the service's name, then for each slot "NAME PORT PATH HOST": PATH
# is asked on 127.0.0.1:PORT when a process of ours listens there ("-": nothing is asked).
# Prints, separated by tabs:
#   boot    SECONDS-SINCE-EPOCH TICKS-PER-SECOND
#   proc    PID START SLOT RELEASE DIGEST CWD        a process with our marker that no other one of ours started
#   listen  PORT PID START OWNER PROGRAM UNIT        OWNER: our slot's name, "-" for a stranger, "?" not permitted to see,
#                                                    "=MARKER" for one with the marker of another service or project
#   unit    SLOT STATE ENABLED
#   edited  SLOT WHAT HOW                            the slot's unit was changed by hand. WHAT: "file", "used" where the
#                                                    program may have been started with it, "more" for each file
#                                                    of somebody's beside it
#   answer  PORT STATUS FIRST-LINES-OF-THE-BODY
name=$1
shift
mark="SHIPCTL=$PROJECT/$name/"

# parent PID: sets ppid and start, without another process. A name may hold a newline.
parent() {
	stat=
	while IFS= read -r l || [ -n "$l" ]; do stat="$stat $l"; done 2>/dev/null <"/proc/$1/stat" || return 1
	case $stat in
	*") "*") "*) stat=${stat##*) } ;; # which takes the square of its length
	*) stat=${stat#*) } ;;
	esac
	# shellcheck disable=SC2086
	set -- $stat
	case ${1:-} in Z | X | '') return 1 ;; esac
	ppid=$2
	shift 19
	start=$1
}

# Linux counts in hundredths of a second here, whatever its own ticks are.
printf 'boot\t%s\t100\n' "$BTIME"

nl='
'
# all: the processes with our marker; marks: "PID:SLOT/RELEASE/DIGEST". A few processes for all of them: a look must be
# cheap on a busy machine.
all=' ' marks=$nl
old=$IFS
IFS=$nl
set -f
for f in $MARKED; do
	p=${f#/proc/}
	p=${p%%/*}
	m=${f#"/proc/$p/environ:$mark"}
	[ "$m" != "$f" ] || continue
	case $m in *[!A-Za-z0-9._+/-]* | */*/*/*) continue ;; */*/*) ;; *) continue ;; esac # anybody can write that
	# shellcheck disable=SC3013 # dash and busybox have it
	[ "/proc/$p/ns/pid" -ef /proc/self/ns/pid ] || continue # in a container: another machine's
	case $all in *" $p "*) continue ;; esac
	slot=${m%%/*}
	IFS=$old
	if credible "$p" "$name" "$slot"; then all="$all$p " marks="$marks$p:$m$nl"; fi
	IFS=$nl
done
IFS=$old
set +f

# A program may have overwritten its environment, to show a title: what start noted then is as good, for it and for what
# it has forked since.
read -r boot </proc/sys/kernel/random/boot_id
for f in "$STATE/projects/$PROJECT/services/$name"/*.proc; do
	{ read -r b p s m <"$f"; } 2>/dev/null || continue
	case $all in *" $p "*) continue ;; esac
	if [ "$b" != "$boot" ] || ! parent "$p" || [ "$start" != "$s" ]; then continue; fi
	m=${m#"$PROJECT/$name/"}
	case $m in *[!A-Za-z0-9._+/-]* | */*/*/*) continue ;; */*/*) ;; *) continue ;; esac
	session=$(cat /proc/[0-9]*/stat 2>/dev/null | awk -v s="$p" '{ p = $1; sub(/.*\) /, ""); if ($4 == s) print p }')
	lead=$p
	for p in $session; do
		[ "$p" = "$lead" ] || ! of_job "$p" || continue
		case $all in *" $p "*) ;; *) all="$all$p " marks="$marks$p:$m$nl" ;; esac
	done
done

# marked PID: sets slot, release and digest.
marked() {
	m=${marks#*"$nl$1:"}
	m=${m%%"$nl"*}
	slot=${m%%/*}
	m=${m#*/}
	release=${m%%/*}
	digest=${m#*/}
}

# directory PID: sets d, where it runs. One that was removed, or that lies elsewhere for it, is as the kernel names it.
directory() {
	d=
	{ cd -P "/proc/$1/cwd" && d=$PWD; } 2>/dev/null
	case $d in "/proc/$1/cwd"*) d= ;; esac
	case $d in /*) ;; *) d=$(readlink "/proc/$1/cwd" 2>/dev/null) ;; esac
}

# The query's own shells may carry a marker (a deployment from within a job): they are no service.
mains=
for p in $all; do
	parent "$p" || continue
	case $all in *" $ppid "*) continue ;; esac
	marked "$p"
	mains="$mains $p:$slot"
	directory "$p"
	printf 'proc\t%s\t%s\t%s\t%s\t%s\t%s\n' "$p" "$start" "$slot" "$release" "$digest" "$d"
done

ports=' '
for s in "$@"; do
	s=${s#* }
	ports="$ports${s%% *} "
done

# listening: "PORT PID" of our own processes, whatever the port: it may have been changed since; of the configured ports
# also "PORT !PID" of another service's, and "PORT ?INODE" of those that nobody with a marker holds.
[ -r /proc/net/tcp ] || denied '/proc/net/tcp: not permitted to read it'
listening=''
IFS=$nl
# shellcheck disable=SC2153 # look.shared.sh sets it
for l in $LISTENING; do
	who=${l#* }
	case $all in
	*" $who "*) ;;
	*)
		case $ports in *" ${l%% *} "*) ;; *) continue ;; esac
		case $who in \?*) ;; *) l="${l%% *} !$who" ;; esac
		;;
	esac
	listening=$listening$l$nl
done
IFS=$old

# A look through everybody's open files only for what is left.
case $listening in *\?*)
	left=
	for i in $listening; do
		case $i in \?*) left="$left ${i#\?}" ;; esac
	done
	# shellcheck disable=SC2086
	owners=$nl$(socket_owners $left)
	;;
esac

# main PID UNIT: the unit was made for that process, or for a shell that waits for it. A program that somebody started
# from a shell or a job is in the unit of sshd or cron, which is not to be stopped for it.
main() {
	of=$(systemctl show -p MainPID "$2" 2>/dev/null)
	of=${of#MainPID=}
	[ "$of" = "$1" ] && return 0
	[ "$of" = "$ppid" ] && [ "$of" -gt 1 ] || return 1
	case $(cat "/proc/$of/comm" 2>/dev/null) in sh | bash | dash | ash | ksh | zsh) return 0 ;; esac
	return 1
}

# ours PORT PID: one line about a process of ours that listens.
ours() {
	marked "$2"
	printf 'listen\t%s\t%s\t%s\t%s\t-\t-\n' "$1" "$2" "$start" "$slot"
}

# stranger PORT PID PIDS: one line about who listens, unless that is a child of another one of them.
stranger() {
	parent "$2" || return 0
	case $all in *" $2 "*)
		ours "$1" "$2"
		return 0
		;;
	esac
	case " $3 " in *" $ppid "*) return 0 ;; esac
	unit=$(sed -n 's|.*/\([^/]*\.service\)$|\1|p' "/proc/$2/cgroup" 2>/dev/null | head -n 1)
	[ -n "$unit" ] && have systemctl && main "$2" "$unit" || unit=
	prog=$(cmd_of "$2" | tr -s ' ')
	theirs=$(env_of "$2" SHIPCTL)
	case $theirs in *[!A-Za-z0-9._+/-]* | */*/*/*/*/*) theirs='' ;; */*/*/*/*) theirs="=$theirs" ;; *) theirs='' ;; esac
	printf 'listen\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$start" "${theirs:--}" "${prog:--}" "${unit:--}"
}

# held PORT INODE: by whom.
held() {
	pids=$(printf '%s\n' "$owners" | sed -n "s/^$2 //p" | sort -un | tr '\n' ' ')
	[ -n "$pids" ] || printf 'listen\t%s\t0\t0\t?\t-\t-\n' "$1"
	for p in $pids; do stranger "$1" "$p" "$pids"; done
}

who_listens() {
	IFS=$nl
	for l in $listening; do
		IFS=$old
		who=${l#* } port=${l%% *}
		case $who in
		\?*) held "$port" "${who#\?}" ;;
		!*) stranger "$port" "${who#!}" "" ;;
		*) if parent "$who"; then ours "$port" "$who"; fi ;;
		esac
	done
	IFS=$old
}
case $listening in
'') ;;
*"$nl"?* | *[?!]*) who_listens | sort -u ;;
*) who_listens ;; # one, and ours
esac

# asked HEAD: code and out are the answer that is there for it already. A line each, without patterns over all of them: the
# shell would need the square of their length.
asked() {
	code='' out=''
	IFS=$nl
	set -f
	for l in $ANSWERS; do
		if [ "$l" = "$1" ]; then
			code=next
		elif [ "$code" = next ]; then
			code=$l
		elif [ -n "$code" ]; then
			out=$l
			break
		fi
	done
	IFS=$old
	set +f
	case $out in "|"*) out=${out#?} ;; *) return 1 ;; esac
}

# answer PORT STATUS BODY: on one line, its lines put apart by a character that no text has.
answer() {
	body=$3 out='' sep=''
	while [ -n "$body" ]; do
		out=$out$sep${body%%"$nl"*} sep=$SOH
		case $body in *"$nl"*) body=${body#*"$nl"} ;; *) body= ;; esac
	done
	while :; do case $out in *"$TAB"*) out="${out%%"$TAB"*} ${out#*"$TAB"}" ;; *) break ;; esac done
	printf 'answer\t%s\t%s\t%s\n' "$1" "$2" "$out"
}

for s in "$@"; do
	slot=${s%% *}
	s=${s#* }
	port=${s%% *}
	s=${s#* }
	path=${s%% *}
	host=${s#* }
	[ "$path" = - ] && continue
	case " $mains " in *":$slot "*) ;; *) continue ;; esac
	case "$nl$listening" in *"$nl$port "*) ;; *) continue ;; esac
	if asked "@$port $path $host"; then
		printf 'answer\t%s\t%s\t%s\n' "$port" "$code" "$out"
		continue
	fi
	r=$(http_get 2 "http://127.0.0.1:$port$path" "$host" 0 | head -c 600)
	code=${r%%"$nl"*}
	r=${r#"$code"}
	answer "$port" "$code" "${r#"$nl"}"
done

# started SLOT: its program is the very process that start left there, with the unit that it wrote.
started() {
	{ read -r b p s _ <"$STATE/projects/$PROJECT/services/$name/$1.started"; } 2>/dev/null || return 1
	case " $mains " in
	*":$1 "*":$1 "*) return 1 ;;
	*" $p:$1 "*) [ "$b" = "$boot" ] && parent "$p" && [ "$start" = "$s" ] ;;
	*) return 1 ;;
	esac
}

# untouched UNIT COPY: nobody has written it, or put another in its place, since we did or since this boot: whatever was
# started with it was started with what it says now.
untouched() {
	at=$(stat -c '%i %Z' "$1" 2>/dev/null) || return 1
	was=''
	{ read -r was <"$2.at"; } 2>/dev/null
	[ "$at" = "$was" ] || [ "${at#* }" -lt "$BTIME" ]
}

# same FILE FILE: they are, by the sums that there are of all of them.
same() {
	one='' two=''
	IFS=$nl
	set -f
	for l in $SUMS; do
		case $l in
		*"  $1") one=${l%% *} ;;
		*"  $2") two=${l%% *} ;;
		esac
	done
	IFS=$old
	set +f
	if [ -n "$one" ] && [ -n "$two" ]; then [ "$one" = "$two" ]; else cmp -s "$1" "$2"; fi
}

# A unit that was changed by hand: its copy tells. Its program counts as started with that, unless it is known to be older.
for f in "$STATE/projects/$PROJECT/services/$name"/*.unit; do
	[ -e "$f" ] || continue
	slot=${f##*/}
	slot=${slot%.unit}
	u="shipctl-$PROJECT-$name-$slot.service"
	how='' what='file'
	case " $mains " in *":$slot "*) started "$slot" || what='used' ;; esac
	if [ -e "$f.due" ]; then
		how="/etc/systemd/system/$u was written again, and systemd has not read it"
	elif [ ! -e "/etc/systemd/system/$u" ]; then
		how="$u is gone"
	elif ! same "$f" "/etc/systemd/system/$u"; then
		how="/etc/systemd/system/$u is not as it was written"
	elif [ $what = used ] && ! untouched "/etc/systemd/system/$u" "$f"; then
		how="/etc/systemd/system/$u was changed and put back"
	else # "show" has DropInPaths, and costs systemd milliseconds for each unit; set-property writes into those of control
		for d in /etc/systemd/system /run/systemd/system /etc/systemd/system.control /run/systemd/system.control; do
			for o in "$d/$u.d"/*.conf; do
				[ ! -e "$o" ] || printf 'edited\t%s\tmore\t%s changes it\n' "$slot" "$o"
			done
		done
	fi
	[ -z "$how" ] || printf 'edited\t%s\t%s\t%s\n' "$slot" "$what" "$how"
done

case $UNITOF in *" $name "*) ;; *) exit 0 ;; esac
set -f
IFS=$nl
for l in $UNITS; do
	u=${l%% *} l=${l#* }
	slot=${u#"shipctl-$PROJECT-$name-"}
	slot=${slot%.service}
	case $UNITOF in *"$nl$u $name $slot$nl"*) printf 'unit\t%s\t%s\t%s\n' "$slot" "${l% *}" "${l#* }" ;; esac
done
exit 0
