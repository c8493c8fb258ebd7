# shellcheck shell=sh
# How a slot's program is started, by start and by revive. It stands after slot.sh.

# start_slot ARGUMENTS OF start.sh: $INPUT is the environment.
start_slot() {
	name=$1 slot=$2 port=$3 release=$4 digest=$5 dir=$6 root=$7 runner=$8 user=$9
	shift 9
	signal=$1 grace=$2 exec_start=$3 lines=$4 again=$5
	shift 5
	slot
	start_now "$@"
}

# ours PID: the process carries exactly our marker.
ours() { [ "$(mark_of "$1")" = "$mark" ]; }

# begun PID: it is the program by now, and not the shell that makes its environment ready.
begun() {
	_c=$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline")
	case $_c in '' | *'while IFS= read -r line; do'* | "$(tr '\0' ' ' <"/proc/$$/cmdline")") return 1 ;; esac
}

# running: prints the process of ours that is there.
running() {
	for p in $(with_env "SHIPCTL=$mark"); do
		proc_start "$p" >/dev/null && ours "$p" && printf '%s\n' "$p" && return 0
	done
	if noted "$home/$slot.proc" && [ "$MARK" = "$mark" ] && [ -z "$(env_of "$PID" SHIPCTL)" ] && begun "$PID"; then
		printf '%s\n' "$PID"
		return 0
	fi
	return 1
}

start_systemd() {
	have systemctl || die "no systemd on this machine: use runner = \"process\"."
	# Values in double quotes, as systemd.exec(5) reads an EnvironmentFile.
	printf '%s\nSHIPCTL=%s\nSHIPCTL_SLOT=%s\nSHIPCTL_RELEASE=%s\n' "$INPUT" "$mark" "$slot" "$release" |
		sed -e '/^$/d' -e 's/[\\"`$]/\\&/g' -e 's/=/="/' -e 's/$/"/' | write_atomic "$home/$slot.env" 600 || die "can't write $home/$slot.env"
	{
		printf '[Unit]\nDescription=%s, slot %s (shipctl, project %s)\nAfter=network.target\nStartLimitIntervalSec=0\n\n[Service]\nType=exec\n' "$name" "$slot" "$PROJECT"
		printf 'ExecStart=%s\nWorkingDirectory=%s\nEnvironmentFile=%s\n' "$exec_start" "$dir" "$home/$slot.env"
		[ -z "$user" ] || printf 'User=%s\n' "$user"
		printf 'Restart=always\nRestartSec=1\nKillMode=control-group\nKillSignal=SIG%s\nTimeoutStopSec=%s\n' "$signal" "$grace"
		[ -z "$lines" ] || printf '%s\n' "$lines"
		printf '\n[Install]\nWantedBy=multi-user.target\n'
	} | write_atomic "$home/$slot.unit" 644 || die "can't write $home/$slot.unit"
	# It stays, as the copy by which a change by hand is noticed.
	write_atomic "/etc/systemd/system/$unit" 644 <"$home/$slot.unit" || die "can't write /etc/systemd/system/$unit"
	wrote_unit || die "can't write $home/$slot.unit.at"
	systemctl daemon-reload || die "systemctl daemon-reload failed"
	rm -f "$home/$slot.unit.due"
	systemctl reset-failed "$unit" 2>/dev/null
	systemctl enable --quiet "$unit" 2>&1 || die "systemctl enable $unit failed"
	if ! out=$(systemctl start "$unit" 2>&1); then
		systemctl stop "$unit" 2>/dev/null
		die "systemd could not start $unit: $out
$(journal 10)"
	fi
	# Whatever is done to the unit from now on, this process was started with ours.
	child=$(main_pid)
	if s=$(proc_start "$child") && cmp -s "$home/$slot.unit" "/etc/systemd/system/$unit"; then
		note "$home/$slot.started" "$child" "$s" || die "can't write $home/$slot.started"
	fi
}

start_process() {
	have setsid || die "setsid is not on this machine: install util-linux."
	homedir=${HOME:-/}
	as_user "$user"
	if [ -n "$as" ]; then
		homedir=$(getent passwd "$user" 2>/dev/null | cut -d: -f6)
	fi
	log="$home/$slot.log"
	[ -e "$log" ] && mv -f "$log" "$log.1"
	(umask 077 && : >"$log") || die "can't write $log"
	cd "$dir" || die "can't change into $dir"
	# The variables come over a pipe, so that no command line shows them. The step lock (9) is not passed on.
	# shellcheck disable=SC2016,SC2086
	printf '%s\nSHIPCTL=%s\nSHIPCTL_SLOT=%s\nSHIPCTL_RELEASE=%s\n' "$INPUT" "$mark" "$slot" "$release" |
		env -i PATH="$PATH" HOME="${homedir:-/}" USER="${user:-$(id -un)}" setsid $as sh -c '
			while IFS= read -r line; do [ -z "$line" ] || export "$line"; done
			exec "$@" </dev/null' sh "$@" >>"$log" 2>&1 9>&- &
	# It may hide its marker: a program that shows a title overwrites its environment.
	child=$!
	if s=$(proc_start "$child"); then note "$home/$slot.proc" "$child" "$s" || die "can't write $home/$slot.proc"; fi
}

# write_call WORD...: what start_slot was called with, a "-" before each argument and "=" before the environment. Every
# other line begins with "+": an argument may have several.
write_call() {
	for _w in "$name" "$slot" "$port" "$release" "$digest" "$dir" "$root" "$runner" "$user" "$signal" "$grace" "$exec_start" "$lines" "$again" "$@"; do
		printf '%s\n' - "$_w" | sed '2,$s/^/+/'
	done
	printf '%s\n' = "$INPUT" | sed '2,$s/^/+/'
}

# users: the user is one whose processes may carry the service's marker, from now on.
users() {
	_id=$(id -u "$user")
	grep -qx "$_id" "$home/users" 2>/dev/null || {
		cat "$home/users" 2>/dev/null
		printf '%s\n' "$_id"
	} | write_atomic "$home/users" 600
}

start_now() {
	[ -d "$dir" ] || die "release $release is not on this machine: $dir is missing. Run apply again: it sends the release."
	if [ -n "$user" ] && ! id "$user" >/dev/null 2>&1; then
		die "there is no user $user on this machine: create it (useradd --system $user), or change run_as."
	fi

	if [ "$runner" = systemd ] && [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ] || [ "$runner" != systemd ]; then
		pid=$(running) && {
			printf 'already runs (pid %s)\n' "$pid"
			return 0
		}
	fi

	file="/etc/systemd/system/$unit"
	if [ "$runner" = systemd ] && [ -e "$file" ]; then
		grep -qxF "EnvironmentFile=$home/$slot.env" "$file" ||
			die "$file belongs to another service, or was made by hand: the project's, the service's and the slot's names must not give the same unit. Nothing was changed."
		# One that waits to be restarted must not come up in the middle of this, half old and half new.
		[ -n "$(listeners "$port")" ] || systemctl stop "$unit" || die "systemctl stop $unit failed"
	fi

	# The port must be free now: whoever holds it is named and left alone.
	taken=$(listeners "$port")
	if [ -n "$taken" ] && ! ours "${taken%% *}"; then
		pid=${taken%% *}
		[ "$pid" = "?" ] && die "port $port is taken by a process that this user may not see. Nothing was started."
		die "port $port is taken by pid $pid: $(cmd_of "$pid"). Nothing was started and nothing was stopped."
	fi

	mkdir -p "$home" "$root/slots" || die "can't make $home and $root/slots"
	chmod 700 "$home"
	[ -z "$user" ] || users || die "can't write $home/users"
	rm -f "$home/$slot.proc" "$home/$slot.started" "$home/$slot.healthy" "$home/$slot.call"
	[ -z "$again" ] || write_call "$@" | write_atomic "$home/$slot.call" 600 || die "can't write $home/$slot.call"
	switch_link "$dir" "$root/slots/$slot" || die "can't point $root/slots/$slot to $dir"

	case $runner in
	systemd) start_systemd ;;
	*) start_process "$@" ;;
	esac

	# Shown to run: the marker is in a process's environment.
	tries=0
	until pid=$(running); do
		tries=$((tries + 1))
		if [ $tries -gt 30 ]; then
			[ "$runner" = systemd ] && die "$unit was started, and no process of it is there:
$(journal 20)"
			die "the program ended at once:
$(tail -n 20 "$home/$slot.log" 2>/dev/null)"
		fi
		nap
	done
	printf 'pid %s\n' "$pid"
}
