# shellcheck shell=sh
# What the changing scripts share: the file, the reload, the request through nginx, the record. It stands after
# common.sh.

# begin: what every changing script needs to know. A check that was killed half way is cleaned up first.
begin() {
	mkdir -p "$NDIR" || die "can't make $NDIR as $(id -un)"
	installed || die "nginx ($BINARY) is not installed on this machine"
	[ -d "${TARGET%/*}" ] || die "there is no directory ${TARGET%/*} for $FILE"
	[ ! -d "$TARGET" ] || die "$FILE is a directory"
	master || :
	if [ -e "$NDIR/$KEY.check/placed" ]; then
		put_file "$NDIR/$KEY.check" || die "can't put $FILE back to what it was before an interrupted check"
		unread "$NDIR/$KEY.check" || die "$FILE is as it was before an interrupted check, but somebody reloaded nginx meanwhile, and: $WHYNOT"
	fi
	rm -rf "$NDIR/$KEY.check" "$NDIR/$KEY.check.new"
}

# note_before DIR: besides the file, who served it, and what, where that is known.
note_before() {
	if [ -z "$MPID" ]; then
		: >"$1/down"
		return
	fi
	workers
	list_workers "$WORKERS $LEAVING" >"$1/workers" || return 1
	if recorded; then
		printf '%s\n' "$LOADED" >"$1/was" && cp -p "$NDIR/$KEY.loaded" "$1/loaded"
	fi
}

# noted DIR: the workers that note_before has found.
noted() { sed -n 's/^worker \([0-9]*\) /\1:/p' "$1/workers" 2>/dev/null | tr '\n' ' '; }

# unread DIR: the file is again what note_before found with it, and nobody serves what it was meanwhile. Somebody else may
# have reloaded nginx: then it is reloaded again, or it would send to a slot that an undo stops.
unread() {
	[ -n "$MPID" ] && alive "$MPID:$MSTART" || master || return 0
	waits 15000
	kill -CHLD "$MPID" 2>/dev/null
	while untaken CHLD && ! late; do pause; done # it may be reading
	workers
	! only "$WORKERS" "$(noted "$1")" || return 0
	[ -z "$UPGRADE" ] || {
		WHYNOT=$(half_way)
		return 1
	}
	reload || return 1
	list_workers "$WORKERS $LEAVING" >"$1/workers" # they are done with
	[ ! -e "$1/loaded" ] || record
}

# refuse_strays: a master that the pidfile does not name would keep the ports, and never hear of a change.
refuse_strays() {
	[ -z "$UPGRADE" ] || die "$(half_way)"
	[ -z "$MPID" ] || return 0
	_s=$(strays | tr '\n' ' ')
	[ -z "$_s" ] || die "nginx runs with this configuration as pid ${_s% }, but $PIDNOTE: stop it, or write its number into $PIDFILE"
}

# refuse_upgrade: none has begun since.
refuse_upgrade() {
	_m=$MPID:$MSTART
	if ! master || [ "$MPID:$MSTART" != "$_m" ]; then die "nginx was started again meanwhile"; fi
	[ -z "$UPGRADE" ] || die "$(half_way)"
}

# content ADDR,ADDR: the file that routes there, byte for byte what the plan shows.
content() {
	printf '# Written by shipctl for %s of project %s. Do not edit: the next deployment replaces it.\n' "$OWNER" "$PROJECT"
	if [ "$FORM" = variable ]; then
		printf 'set $%s http://%s;\n' "$NAME" "$1"
		return 0
	fi
	printf 'upstream %s {\n' "$NAME"
	printf '%s\n' "$1" | tr ',' '\n' | sed 's/.*/    server &;/'
	printf '}\n'
}

# holds ADDR,ADDR: the file is exactly that.
holds() { content "$1" | cmp -s - "$TARGET"; }

# write_file: standard input becomes the file, in one step, with the mode and the owner that it has. The temporary one
# must be in the same directory to be renamed, and starts with a dot: no glob of an include matches it.
write_file() {
	_tmp=${TARGET%/*}/.${TARGET##*/}.shipctl
	rm -f "$_tmp"
	{
		if [ -e "$TARGET" ]; then cp -p "$TARGET" "$_tmp"; fi &&
			cat >"$_tmp" && sync_path "$_tmp" && mv -f "$_tmp" "$TARGET" && sync_path "${TARGET%/*}"
	} && return 0
	rm -f "$_tmp"
	return 1
}

# save_file DIR: what the file is now, or that there is none, complete or not at all.
save_file() {
	rm -rf "$1.new"
	(umask 077 && mkdir "$1.new") || return 1
	if [ -e "$TARGET" ]; then cp -p "$TARGET" "$1.new/content" || return 1; fi
	[ -z "${2:-}" ] || "$2" "$1.new" || return 1
	sync_path "$1.new"
	mv "$1.new" "$1" && sync_path "${1%/*}"
}

# put_file DIR: byte for byte what save_file found, with mode, owner and time.
put_file() {
	_tmp=${TARGET%/*}/.${TARGET##*/}.shipctl
	rm -f "$_tmp"
	if [ ! -e "$1/content" ]; then
		rm -f "$TARGET" && sync_path "${TARGET%/*}"
		return
	fi
	if cmp -s "$1/content" "$TARGET"; then return 0; fi
	cp -p "$1/content" "$_tmp" && sync_path "$_tmp" && mv -f "$_tmp" "$TARGET" && sync_path "${TARGET%/*}" && return 0
	rm -f "$_tmp"
	return 1
}

# accepted: nginx takes the configuration as it stands on disk, a server (or http) includes our file, and nobody else
# has the last word. Otherwise WHYNOT.
accepted() {
	_out=$(ngx -t 2>&1) || {
		WHYNOT="nginx does not accept its configuration:$NL$(printf '%s\n' "$_out" | head -c 2000)"
		return 1
	}
	TREE=$(ngx -T 2>/dev/null | tree_awk dump)
	_in=$(facts included)
	[ -n "$_in" ] || {
		if [ "$FORM" = variable ]; then
			WHYNOT="nobody includes $FILE: put \"include $FILE;\" into the server that proxies to \$$NAME"
		else
			WHYNOT="nobody includes $FILE: put \"include $FILE;\" into the http block of $CONF"
		fi
		return 1
	}
	_others=$(facts other)
	[ -z "$_others" ] || {
		WHYNOT="$FILE would not have the last word, $NAME is set in $(printf '%s\n' "$_others" | tr '\n' ' ')too: remove it there"
		return 1
	}
}

# connects ADDR: somebody accepts there. Otherwise WHYNOT, and REFUSED is 1 where it is known at once.
connects() {
	REFUSED=0
	WHYNOT="$1 can't be reached from this machine"
	if have curl; then
		_c=$(curl -q -s -o /dev/null --max-time 2 --noproxy '*' -w '%{time_connect}' "http://$1/" 2>/dev/null)
		[ $? != 7 ] || REFUSED=1
		case $_c in '' | 0 | 0.000 | 0.000000) return 1 ;; *) return 0 ;; esac
	fi
	have bash timeout || die "neither curl nor bash on this machine: install curl"
	_h=${1%:*}
	_h=${_h#[}
	# shellcheck disable=SC2016
	timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/$2"' sh "${_h%]}" "${1##*:}" 2>/dev/null && return 0
	[ $? = 124 ] || REFUSED=1
	return 1
}

pause() { sleep 0.05 2>/dev/null || sleep 1; }

# waits MS: until then; late says whether it has passed.
waits() { UNTIL=$(($(now_ms) + $1)); }
late() { [ "$(now_ms)" -ge "$UNTIL" ]; }

# untaken HUP|CHLD: the master has not taken the signal yet. It takes signals between two of its works only, and blocks
# them else: so one that is pending still says that the work goes on.
untaken() {
	_mask=
	{
		while read -r _k _mv; do
			case $_k in ShdPnd:) _mask=$_mv ;; esac
		done <"/proc/$MPID/status"
	} 2>/dev/null
	[ "$1" = HUP ] || _mask=${_mask%????}
	case $_mask in *[13579bdf]) ;; *) return 1 ;; esac
}

# reload: the master reads its configuration as it is now, and every worker that may have an earlier one (OLD) has stopped
# accepting. 1 and WHYNOT where that did not come about; TAKEN says that it is known to have kept what it had.
#
# Somebody else's reload may be under way: workers that appear before ours is taken have read what was there before.
reload() {
	WHYNOT='' TAKEN=''
	before_load
	workers
	OLD="$WORKERS $LEAVING"
	alive "$MPID:$MSTART" || {
		WHYNOT="nginx's master (pid $MPID) is gone"
		return 1
	}
	waits 15000
	kill -HUP "$MPID" || {
		WHYNOT="not permitted to signal nginx's master (pid $MPID) as $(id -un)"
		return 1
	}
	while :; do
		workers
		untaken HUP || break
		OLD="$OLD $WORKERS $LEAVING"
		if late; then
			WHYNOT="nginx's master (pid $MPID) has not reacted to the reload for 15 s"
			return 1
		fi
		pause
	done
	kill -CHLD "$MPID" 2>/dev/null
	while untaken CHLD; do
		if late; then
			WHYNOT="nginx has been reading its configuration for 15 s"
			return 1
		fi
		pause
	done
	turned_over || return 1
	after_load
	renew
}

# before_load, after_load: around what makes nginx read its configuration. LOADADDRS and LOADSHA are what our file said then, "" where
# it was changed meanwhile; SEAL and SUMS stand for the whole; LOADERS are the workers that have read it.
before_load() {
	_dump=$(ngx -T 2>/dev/null)
	TREE=$(printf '%s\n' "$_dump" | tree_awk dump)
	seal
	_seal=$SEAL
	_target=$(stat -c '%i/%d %z %s' "$TARGET" 2>/dev/null)
}
after_load() {
	LOADERS=$WORKERS
	LOADADDRS=$(file_addrs "$TARGET")
	LOADSHA=$(sha256sum 2>/dev/null <"$TARGET")
	LOADSHA=${LOADSHA%% *}
	sums
	[ "$(stat -c '%i/%d %z %s' "$TARGET" 2>/dev/null)" = "$_target" ] || LOADADDRS='' LOADSHA=''
	seal
	[ "$SEAL" = "$_seal" ] || SEAL=''
}

# sums: SUMS, "sha256  path" of each file of the configuration, in nginx's order.
sums() {
	_ifs=$IFS
	IFS=$NL
	set -f
	# shellcheck disable=SC2046
	SUMS=$(sha256sum -- $(facts config) 2>/dev/null) || SUMS=''
	set +f
	IFS=$_ifs
}

# but_ours < SUMS: without our own file.
but_ours() { awk -v file="$FILE" -v target="$TARGET" '{ p = substr($0, 67) } p != file && p != target'; }

# renew: the workers have read the files of other routes too. A record of another is good for them where the whole of the
# configuration is what it was for that record but for our file, and our file does not say otherwise: something of somebody
# else's that our reload has brought to life may be what serves that route now.
renew() {
	[ -n "$SEAL" ] && [ -n "$SUMS" ] || return 0
	_rest=$(printf '%s\n' "$SUMS" | but_ours)
	for _n in "$STATE"/projects/*/nginx/*.loaded; do
		if [ "$_n" = "$NDIR/$KEY.loaded" ] || [ ! -r "$_n" ]; then continue; fi
		_of='' _file='' _form='' _name='' _sums='' _end='' _list=${_n%.loaded}.files
		while read -r _k _a _b; do
			case $_k in
			boot) _of="$_a $_of" ;;
			master) _of="$_of$_a:$_b" ;;
			file) _file=$_a${_b:+ $_b} ;;
			as) _form=$_a _name=$_b ;;
			files) _sums=$_a ;;
			end) _end=1 ;;
			esac
		done <"$_n"
		if [ -z "$_end" ] || [ "$_of" != "$BOOT $MPID:$MSTART" ] || [ ! -r "$_list" ]; then continue; fi
		[ "$(sha256sum <"$_list")" = "$_sums  -" ] || continue
		[ "$(but_ours <"$_list")" = "$_rest" ] || continue # its own file is among them
		(rules "$_file" "$_form" "$_name") || continue
		# Not synchronised to the disk: it is worth nothing after a crash of the machine.
		{
			sed '/^worker /d; /^seal /d; /^files /d; /^end$/d' "$_n"
			list_workers "$WORKERS"
			list_seal
		} >"$_n.new" && printf '%s\n' "$SUMS" >"$_list.new" && mv -f "$_list.new" "$_list" && mv -f "$_n.new" "$_n"
	done
	return 0
}

# rules FILE FORM NAME: that file has the last word for its name, as ours should for ours.
rules() {
	FILE=$1 FORM=$2 NAME=$3 TARGET=$1
	[ ! -L "$FILE" ] || TARGET=$(readlink -f "$FILE")
	TREE=$(printf '%s\n' "$_dump" | tree_awk dump)
	[ -n "$(facts included)" ] && [ -z "$(facts other)" ]
}

turned_over() {
	while :; do
		workers
		alive "$MPID:$MSTART" || {
			WHYNOT="nginx's master (pid $MPID) ended while it reloaded"
			return 1
		}
		_new='' _still=''
		for _w in $WORKERS; do
			case " $OLD " in *" $_w "*) _still="$_still ${_w%%:*}" ;; *) _new=1 ;; esac
		done
		[ -z "$_new" ] || [ -n "$_still" ] || return 0
		if [ -z "$_new" ] && [ -n "$_still" ]; then
			# shellcheck disable=SC2034 # for who calls reload
			TAKEN=kept
			WHYNOT="nginx did not take the reload, its workers are the same as before (pid$_still)"
			return 1
		fi
		if late; then
			WHYNOT="earlier workers still serve after 15 s (pid${_still:- none, and no new one})"
			return 1
		fi
		pause
	done
}

# log_mark, log_tail: what nginx has written to its error log since.
log_mark() {
	_log=$(facts errorlog)
	below "${_log:-$ERRORLOG}"
	LOGFILE=$BELOW
	LOGSIZE=$(stat -c %s "$LOGFILE" 2>/dev/null || echo 0)
}
log_tail() {
	if [ -f "$LOGFILE" ]; then
		tail -c "+$((LOGSIZE + 1))" "$LOGFILE" 2>/dev/null
	elif [ -z "$CONFIG$PREFIX" ] && have journalctl; then
		journalctl -q -o cat -u nginx -n 20 --since -1min 2>/dev/null
	fi | grep -E '\[(emerg|alert|crit|error)\]|bind\(\)' | tail -n 6 | cut -c 1-300
}

# answer_fits ANSWER STATUSES BODY: an answer of http_get is what was expected. No STATUSES: whatever is not an error of
# a gateway.
answer_fits() {
	_st=${1%%"$NL"*}
	if [ -n "$2" ]; then
		case " $2 " in *" $_st "*) ;; *) return 1 ;; esac
	else
		case $_st in [1-4][0-9][0-9] | 500 | 501) ;; *) return 1 ;; esac
	fi
	[ -z "$3" ] || printf '%s\n' "${1#*"$NL"}" | grep -Eq -- "$3"
}

answer_shown() {
	printf 'status %s, "%s"' "${1%%"$NL"*}" "$(printf '%s\n' "${1#*"$NL"}" | tr -c ' -~' ' ' | cut -c 1-200)"
}

expectation() { printf 'status %s%s' "${1:-of no gateway error}" "${2:+ and a body like $2}"; }

# verify STATUSES BODY: a request through nginx is answered as expected, within three seconds.
verify() {
	[ -n "$URL" ] || return 0
	waits 3000
	while :; do
		_r=$(http_get 2 "$URL" "$VHOST" "$INSECURE")
		answer_fits "$_r" "$1" "$2" && return 0
		late && break
		nap
	done
	WHYNOT="through nginx, $URL${VHOST:+ (Host $VHOST)} gave $(answer_shown "$_r"); expected $(expectation "$1" "$2")"
	case $_r in 30[12378]"$NL"*)
		WHYNOT="$WHYNOT. That is a redirect, and verify follows none: give it the url that this one leads to"
		case $URL in http:*) WHYNOT="$WHYNOT; for https, url = \"https:${URL#http:}\"$([ -n "$VHOST" ] || printf ', host = the name that the server has') and insecure = true, since the certificate is for another name" ;; esac
		;;
	esac
	return 1
}

# record: what after_load found, once it is verified. What was done to the file or to nginx since then does not matter.
record() {
	if [ -z "$LOADADDRS" ] || [ -z "$LOADSHA" ] || [ -z "$LOADERS" ]; then
		rm -f "$NDIR/$KEY.loaded"
		return 0
	fi
	printf '%s\n' "$SUMS" | write_atomic "$NDIR/$KEY.files" 0644 || return 1
	{
		printf 'boot %s\nmaster %s %s\n' "$BOOT" "$MPID" "$MSTART"
		list_workers "$LOADERS"
		printf '%s\n' "$LOADADDRS" | tr ',' '\n' | sed 's/^/addr /'
		printf 'sha %s\nfile %s\nas %s %s\n' "$LOADSHA" "$FILE" "$FORM" "$NAME"
		list_seal
	} | write_atomic "$NDIR/$KEY.loaded" 0644
}

list_seal() {
	if [ -n "$SEAL" ]; then
		_sums=$(printf '%s\n' "$SUMS" | sha256sum)
		printf 'seal %s\nfiles %s\n' "$SEAL" "${_sums%% *}"
	fi
	printf 'end\n'
}

list_workers() {
	for _w in $1; do
		printf 'worker %s %s\n' "${_w%%:*}" "${_w##*:}"
	done
}

# start_nginx: by its unit where it is the machine's own. What it prints goes to a file: a daemon keeps the pipe open.
start_nginx() {
	_said=$NDIR/$KEY.start
	before_load
	if [ -z "$CONFIG$PREFIX" ] && [ -d /run/systemd/system ] && systemctl cat nginx.service >/dev/null 2>&1; then
		systemctl start nginx.service 9>&- </dev/null >"$_said" 2>&1 &
	else
		ngx 9>&- </dev/null >"$_said" 2>&1 &
	fi
	_starter=$!
	waits 15000
	WHYNOT=
	while :; do
		if master; then
			workers
			[ -n "$WORKERS" ] && break
		fi
		if ! kill -0 "$_starter" 2>/dev/null && ! wait "$_starter" && ! master; then break; fi
		late && break
		pause
	done
	if [ -n "$MPID" ] && [ -n "$WORKERS" ]; then
		kill -CHLD "$MPID" 2>/dev/null # it takes that when it has started all of them
		while untaken CHLD && ! late; do pause; done
		workers
		after_load
		return 0
	fi
	WHYNOT="nginx does not start:$NL$(tail -n 5 "$_said" | cut -c 1-300)$NL$(log_tail)"
	return 1
}

# stop_nginx SECONDS: it finishes what it has.
stop_nginx() {
	if [ -z "$CONFIG$PREFIX" ] && [ -d /run/systemd/system ] && systemctl is-active -q nginx.service 2>/dev/null; then
		systemctl stop nginx.service </dev/null >/dev/null 2>&1
	fi
	alive "$MPID:$MSTART" && kill -QUIT "$MPID"
	waits "$(($1 * 1000 + 1000))"
	while alive "$MPID:$MSTART"; do
		if late; then
			kill -TERM "$MPID"
			[ "$(now_ms)" -lt $((UNTIL + 10000)) ] || return 1
		fi
		pause
	done
	MPID='' MSTART=''
}

# await_gone SECONDS LIST: until those processes are gone; those that are not are STILL. Where BREAKABLE is set, an
# interrupt ends it, and the script.
BREAKABLE=
await_gone() {
	waits "$(($1 * 1000))"
	while :; do
		STILL=
		for _w in $2; do
			alive "$_w" || continue
			case " $STILL " in *" $_w "*) ;; *) STILL="$STILL $_w" ;; esac
		done
		[ -n "$STILL" ] || return 0
		late && return 1
		if [ -n "$BREAKABLE" ] && interrupted; then die "told to stop: workers of nginx still have requests"; fi
		pause
	done
}

# drained SECONDS: says what became of the workers that await_gone waited for.
drained() {
	if [ -z "$STILL" ]; then
		printf 'nothing was cut off\n'
		return 0
	fi
	# shellcheck disable=SC2086
	set -- "$1" $STILL
	_n=$(($# - 1))
	_s=$1
	shift
	_peers=$(worker_peers "$@" | head -n 8 | tr '\n' ' ')
	printf '%s worker%s of nginx still had requests after %s s%s\n' "$_n" "$([ "$_n" = 1 ] || printf s)" "$_s" "${_peers:+ (peers: ${_peers% })}"
}

# worker_peers PID:START...: "address" of whom the processes are still connected to, each once.
worker_peers() {
	_inodes=
	for _w in "$@"; do
		for _fd in "/proc/${_w%%:*}/fd/"*; do
			_to=$(readlink "$_fd" 2>/dev/null)
			case $_to in "socket:["*) _to=${_to#"socket:["} && _inodes="$_inodes ${_to%]}" ;; esac
		done
	done
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v inodes="$_inodes" '
		function hex(s,  i, n) { for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789ABCDEF", substr(s, i, 1)) - 1; return n + 0 }
		function v4(s) { return hex(substr(s, 7, 2)) "." hex(substr(s, 5, 2)) "." hex(substr(s, 3, 2)) "." hex(substr(s, 1, 2)) }
		BEGIN { n = split(inodes, a, " "); for (i = 1; i <= n; i++) want[a[i]] = 1 }
		($10 in want) && $4 == "01" {
			split($3, r, ":"); p = r[1]
			if (length(p) == 8) p = v4(p)
			else if (substr(p, 1, 24) == "0000000000000000FFFF0000") p = v4(substr(p, 25, 8))
			p = p ":" hex(r[2])
			if (!(p in seen)) { seen[p] = 1; print p }
		}'
}
