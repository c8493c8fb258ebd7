# shellcheck shell=sh
# What the scripts of this folder share about one slot; it stands in front of each changing one. They set name, slot,
# and where they need them port, release, digest and runner, then call "slot".

# slot: sets mark, unit and home.
slot() {
	mark="$PROJECT/$name/$slot/${release:-}/${digest:-}"
	unit="shipctl-$PROJECT-$name-$slot.service"
	home="$STATE/projects/$PROJECT/services/$name"
	read -r boot </proc/sys/kernel/random/boot_id
	port=${port:-} runner=${runner:-} # whoever needs them has set them
}

# noted FILE: PID, START and MARK of the process that a note of ours names, if that very process lives.
noted() {
	PID='' START='' MARK='' NOTED_BOOT=
	{ read -r NOTED_BOOT PID START MARK <"$1"; } 2>/dev/null || return 1
	[ -n "$MARK" ] && [ "$NOTED_BOOT" = "$boot" ] && proc_is "$PID" "$START"
}

# note FILE PID START: so that it can be known again.
note() { printf '%s %s %s %s\n' "$boot" "$2" "$3" "$mark" | write_atomic "$1" 600; }

# wrote_unit: the unit is as we wrote it from here on, until somebody touches it.
wrote_unit() { stat -c '%i %Z' "/etc/systemd/system/$unit" | write_atomic "$home/$slot.unit.at" 600; }

# main_pid: the process of the unit, 0 for none.
main_pid() {
	_m=$(systemctl show -p MainPID "$unit" 2>/dev/null)
	_m=${_m#MainPID=}
	printf '%s\n' "${_m:-0}"
}

# forget_slot: the slot's notes.
forget_slot() {
	for _e in env unit unit.due unit.at started proc healthy call; do rm -f "$home/$slot.$_e"; done
}

# mark_of PID: its marker, if that is to be believed. A program may have overwritten its environment (to show a title): then
# what was noted when we started it counts, for it and for what it has forked since. A job that a launcher started
# is not its own.
mark_of() {
	_m=$(env_of "$1" SHIPCTL)
	if [ -n "$_m" ]; then
		_of=${_m#*/} _in=${_m#*/*/}
		credible "$1" "${_of%%/*}" "${_in%%/*}" || return 1
		printf '%s\n' "$_m"
		return 0
	fi
	noted "$home/$slot.proc" || return 1
	[ "$PID" = "$1" ] || { [ "$(session_of "$1")" = "$PID" ] && ! of_job "$1"; } || return 1
	printf '%s\n' "$MARK"
}

# titled: the PIDs of the process that was noted at the start and of its session, where it has no marker any more.
titled() {
	noted "$home/$slot.proc" || return 0
	[ -z "$(env_of "$PID" SHIPCTL)" ] || return 0
	for _d in /proc/[0-9]*; do
		[ "$(session_of "${_d#/proc/}")" = "$PID" ] && printf '%s\n' "${_d#/proc/}"
	done
	return 0
}

# journal LINES: the unit's last ones since this start: the file is written right before it.
journal() {
	_since=$(stat -c %Y "$home/$slot.env" 2>/dev/null)
	journalctl -u "$unit" ${_since:+--since "@$_since"} -n "$1" -o cat --no-pager 2>/dev/null
}

last_lines() {
	printf 'Last lines of its log:\n'
	if [ "$runner" = systemd ]; then
		journal 20 | sed 's/^/  | /'
	else
		tail -n 20 "$home/$slot.log" 2>/dev/null | sed 's/^/  | /'
	fi
}

# listener: who is the process with our marker that listens; why, where there is none, or where another's socket may
# answer in its place (on an address of its own, or with SO_REUSEPORT).
listener() {
	who='' why=''
	_inodes=$(sockets 0A "$port" | awk '{ print $2 }' | sort -u)
	[ -n "$_inodes" ] || {
		why="nobody listens on port $port"
		return 1
	}
	# shellcheck disable=SC2086
	owners=$(socket_owners $_inodes)
	for _i in $_inodes; do
		owner "$_i" && continue
		who=
		return 1
	done
}

# owner INODE: a process with our marker holds the socket; its children, which may have another environment, may too.
owner() {
	other=
	for p in $(printf '%s\n' "$owners" | sed -n "s/^$1 //p" | sort -n); do
		m=$(mark_of "$p")
		if [ "$m" = "$mark" ] && s=$(proc_start "$p"); then
			who="$p $s"
			return 0
		fi
		other="pid $p ($(cmd_of "$p")), which is not release $release of slot $slot${m:+, but $m}"
	done
	why="port $port is answered by ${other:-a process that this user may not see}"
	return 1
}
