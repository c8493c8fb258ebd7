# shellcheck shell=sh
# What nginx routes to, by the disk and by what its workers were started with. Arguments: the route's. It changes
# nothing. One fact a line, "key value"; the last line is "end".

route "$@"
printf 'boot %s\n' "$BOOT"

look_file() {
	if [ -d "$FILE" ]; then
		printf 'file directory\n'
	elif [ -e "$FILE" ] && [ ! -r "$FILE" ]; then
		denied "can't read $FILE as $(id -un)"
	elif [ -e "$FILE" ]; then
		printf 'file present\n'
		BELOW=
		if shared; then below_head "@$FILE" "$NGINX_TEXTS"; fi
		if [ -n "$BELOW" ]; then
			printf '%s\n' "$BELOW"
			return 0
		fi
		NGINX_TIMES='' # they were taken before
		awk 'NR <= 500 { print "text " substr($0, 1, 500) }' "$FILE"
	else
		printf 'file absent\n'
	fi
}

if ! installed; then
	look_file
	printf 'end\n'
	exit 0
fi
printf 'installed %s\nversion %s\npidfile %s\n' "$EXE" "$VERSION" "$PIDFILE"
[ -r "$CONF" ] || [ ! -e "$CONF" ] || denied "can't read $CONF as $(id -un)"
look_file

# look_processes: the master and its workers; OLDEST is the first serving worker's start.
look_processes() {
	printf 'master %s %s\n' "$MPID" "$MSTART"
	workers
	OLDEST=
	for w in $WORKERS; do
		printf 'worker %s %s serving\n' "${w%%:*}" "${w##*:}"
		[ -n "$OLDEST" ] && [ "$OLDEST" -le "${w##*:}" ] || OLDEST=${w##*:}
	done
	for w in $LEAVING; do
		printf 'worker %s %s leaving\n' "${w%%:*}" "${w##*:}"
	done
}

# look_changes: TIMES, "ctime mtime path" of the configuration files, our file and its folder: a link's and its target's; and of
# the pidfile. The change time is what nobody sets, and a file that was moved here has.
look_changes() {
	TIMES=
	if shared && [ "$NGINX_AT" = "$MPID:$MSTART" ]; then TIMES=$NGINX_TIMES; fi
	[ -z "$TIMES" ] || return 0
	_ifs=$IFS
	IFS=$NL
	set -f
	set --
	for t in $TREE; do
		case $t in "config "*) set -- "$@" "${t#config }" ;; esac
	done
	TIMES=$(stat -c '%Z %Y %n' -- "$@" "$PIDFILE" "$FILE" "${FILE%/*}" 2>/dev/null)
	set -- "$FILE"
	for t in $TREE; do
		case $t in "config "*) [ ! -L "${t#config }" ] || set -- "$@" "${t#config }" ;; esac
	done
	if [ $# -gt 1 ] || [ -L "$FILE" ]; then
		TIMES=$TIMES$NL$(stat -L -c '%Z %Y %n' -- "$@" 2>/dev/null)
	fi
	set +f
	IFS=$_ifs
}

# look_newer: FRESH when a file is newer than the master, FILETIME and DIRTIME of ours. A change within two seconds of a
# start or a reload can't be placed: the clocks of files and processes agree to about one, and nginx reads its files before
# it forks. The pidfile is what the master wrote by the files' own clock: where that was set since, the earlier counts.
look_newer() {
	FRESH='' FILETIME='' DIRTIME='' pending=''
	if shared; then
		epoch=$NGINX_EPOCH
	else
		read -r up _ </proc/uptime
		epoch=$(($(date +%s) - ${up%%.*}))
	fi
	began=$((epoch + MSTART / 100))
	oldest=$((epoch + ${OLDEST:-0} / 100))
	_ifs=$IFS
	IFS=$NL
	set -f
	for t in $TIMES; do
		case $t in *" $PIDFILE") ;; *) continue ;; esac
		z=${t#* }
		z=${z%% *}
		[ "$began" -le "$z" ] || began=$z
	done
	for t in $TIMES; do
		z=${t%% *} p=${t#* }
		p=${p#* }
		if [ "$p" = "$PIDFILE" ]; then
			continue
		elif [ "$p" = "$FILE" ]; then
			[ "${FILETIME:-0}" -ge "$z" ] || FILETIME=$z
		elif [ "$p" = "${FILE%/*}" ]; then
			DIRTIME=$z
		elif [ "$p" != "$TARGET" ]; then
			case "$NL$TREE$NL" in *"${NL}config $p$NL"*) ;; *) continue ;; esac
			[ "$z" -lt $((began - 1)) ] || FRESH=1
			[ "$z" -gt $((oldest + 1)) ] || continue
			case "$NL$pending" in *"$NL$p$NL"*) ;; *) pending=$pending$p$NL ;; esac
		fi
	done
	for p in $pending; do
		printf 'pending %s\n' "$p"
	done
	set +f
	IFS=$_ifs
}

# settled: nothing was taken away since nginx was started: the folders that its configuration hangs on are as they were too.
# nginx makes its pidfile as the last thing in a folder of its own.
settled() {
	sealed
	[ -n "$AT" ] || return 1
	_ifs=$IFS
	IFS=$NL
	set -f
	# shellcheck disable=SC2086
	fresh=$(stat -c '%Z %z %n' -- "$PIDFILE" $AT 2>/dev/null | awk -v began="$((began - 1))" -v pidfile="$PIDFILE" -v dir="${PIDFILE%/*}" '
		{ at = $1; z = $2 " " $3; sub(/^[0-9]+ [^ ]+ [^ ]+ [^ ]+ /, "") }
		$0 == pidfile { made = z; seen = 1; next }
		at >= began && !($0 == dir && z <= made) { print }
		END { if (!seen) print "?" }')
	set +f
	IFS=$_ifs
	[ -z "$fresh" ]
}

# look_loaded: how it is known what the workers route to. "started": the whole of nginx was started after the file was
# changed last, and nothing else since.
look_loaded() {
	if [ -n "$UPGRADE" ]; then
		printf 'upgrade %s\nknown no\nwhy %s\n' "$UPGRADE" "$(half_way)"
		return 0
	fi
	if recorded || unchanged; then
		printf 'known record\n'
		_ifs=$IFS
		IFS=,
		for a in $LOADED; do
			printf 'loaded %s\n' "$a"
		done
		IFS=$_ifs
		return 0
	fi
	if [ -z "$BROKEN" ] && [ -n "$WORKERS" ]; then
		if [ -n "$FILETIME" ] && [ "$FILETIME" -lt $((began - 1)) ]; then
			if [ -z "$FRESH" ] && settled; then
				printf 'known started\n'
				look_probe
				return 0
			fi
		elif [ -z "$FILETIME" ] && [ -n "$DIRTIME" ] && [ "$DIRTIME" -lt $((began - 1)) ]; then
			printf 'known absent\n'
			return 0
		fi
	fi
	printf 'known no\nwhy %s\n' "$WHYNOT"
	look_probe
}

# look_probe: a request through nginx, where none of ours has been verified yet.
look_probe() {
	[ -n "$URL" ] || return 0
	r=$(http_get 2 "$URL" "$VHOST" "$INSECURE")
	printf 'probe %s\n' "${r%%"$NL"*}"
	printf '%s\n' "${r#*"$NL"}" | head -c 4096 | sed 's/^/body /'
	printf '\n'
}

if master; then
	look_processes
	tree
	look_changes
	look_newer
	look_loaded
else
	printf 'pidnote %s\n' "$PIDNOTE"
	for p in $(strays); do
		printf 'stray %s\n' "$p"
	done
	tree
fi
_ifs=$IFS
IFS=$NL
set -f
for t in $TREE; do
	case $t in "unread "*)
		p=${t#unread }
		if [ ! -e "$p" ] && [ ! -L "$p" ] && [ -d "${p%/*}" ] && [ -x "${p%/*}" ]; then t="missing $p"; fi
		;;
	esac
	case $t in "missing "* | used | "included "* | "named "* | "other "* | "shutdown "* | "unread "*) printf '%s\n' "$t" ;; esac
done
set +f
IFS=$_ifs
[ -z "$BROKEN" ] || printf '%s\n' "$BROKEN" | sed 's/^/broken /'
printf 'end\n'
exit 0
