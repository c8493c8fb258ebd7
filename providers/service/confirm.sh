# shellcheck shell=sh
# Right before requests are sent to a slot: the process that was found healthy still lives and listens. One that has ended
# since may be up again, started by systemd; it has proved nothing. Nothing is changed. Arguments: 1 service 2 slot 3 port
# 4 release 5 digest 6 runner.
name=$1 slot=$2 port=$3 release=$4 digest=$5 runner=$6
slot

refuse() {
	die "$slot (release $release) $1. No nginx was switched.
$(last_lines)"
}

if ! noted "$home/$slot.healthy"; then
	[ -n "$MARK" ] || die "nothing says which process of $slot was healthy: $home/$slot.healthy is missing. Run apply again."
	listener && now=", and pid ${who%% *} runs in its place" || now=" ($why)"
	[ "$NOTED_BOOT" = "$boot" ] || refuse "was healthy before this machine was started again"
	refuse "ended after it was healthy: pid $PID is gone$now"
fi
[ "$MARK" = "$mark" ] || die "what was healthy in $slot is $MARK, not $mark: another run has been here. Plan again."
healthy=$PID
listener || refuse "does not serve any more: $why"
printf '%s\n' "$owners" | grep -q " $healthy\$" || refuse "was healthy as pid $healthy, and pid ${who%% *} listens now"
printf 'still pid %s\n' "$healthy"
