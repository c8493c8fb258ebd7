# shellcheck shell=sh
# How a switch is taken back, by the switch itself when it fails and by restore. It stands after act.sh.

# backup TAG: BACKUP is the directory in which the switch TAG of this run keeps what it found.
backup() {
	case $RUN$1 in '' | *[!A-Za-z0-9._-]*) die "the run $RUN and the switch $1 can't name a backup" ;; esac
	BACKUP=$NDIR/$KEY.run.$RUN.$1
}

# put_back WAS: the file and nginx are again as the switch found them. Where the file had already said something else than
# what was loaded (another run died between the two), what was loaded counts: the file's slot may be dead. WAS is what
# the plan saw; else what the record said. 1 and WHYNOT when nginx could not be brought back.
put_back() {
	_was=$1
	[ -n "$_was" ] || _was=$(cat "$BACKUP/was" 2>/dev/null)
	if [ -n "$_was" ] && [ "$(file_addrs "$BACKUP/content")" != "$_was" ]; then
		content "$_was" | write_file
	else
		put_file "$BACKUP"
	fi || {
		WHYNOT="can't write $FILE"
		return 1
	}
	master || :
	OLD=
	if [ -e "$BACKUP/down" ]; then
		if [ -n "$MPID" ] && [ "$(cat "$BACKUP/started" 2>/dev/null)" = "$MPID:$MSTART" ]; then
			stop_nginx "${DRAIN:-5}" || {
				WHYNOT="nginx (pid $MPID), which the switch started, does not stop"
				return 1
			}
		fi
		rm -f "$NDIR/$KEY.loaded"
		return 0
	fi
	if [ ! -e "$BACKUP/reloaded" ]; then # by us
		unread "$BACKUP"
		return
	fi
	if [ -z "$MPID" ]; then
		WHYNOT="nginx is not running any more: $PIDNOTE"
		return 1
	fi
	if [ -n "$UPGRADE" ]; then
		WHYNOT=$(half_way)
		return 1
	fi
	if reload; then
		list_workers "$WORKERS $LEAVING" >"$BACKUP/workers"
		record
		return 0
	fi
	# The same port conflict that kept the new configuration out keeps this one out: nothing ever changed.
	if [ "$TAKEN" = kept ] && only "$WORKERS" "$(noted "$BACKUP")"; then
		if [ -e "$BACKUP/loaded" ]; then cp -p "$BACKUP/loaded" "$NDIR/$KEY.loaded"; fi
		OLD= # nobody has to leave
		return 0
	fi
	return 1
}
