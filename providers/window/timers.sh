# shellcheck shell=sh
# systemd's timers: what list-timers says as JSON; behind a line "@timers" what they are made of; behind "@running"
# the services that run, each with "since SECONDS-SINCE-EPOCH" where systemd can say that.
have systemctl || die 'there is no systemctl on this machine: without systemd there are no timers to look at'
systemctl list-timers --all --no-pager --output=json || die "systemctl list-timers --output=json failed: systemd has to be 249 or newer"
printf '\n@timers\n'
systemctl show --no-pager -p Id -p TimersCalendar -p TimersMonotonic '*.timer' || die 'systemctl show failed'
printf '\n@running\n'
running=$(systemctl list-units --type=service --plain --no-legend --no-pager --full) || die 'systemctl list-units failed'
running=$(printf '%s\n' "$running" | awk '$3 != "inactive" && $3 != "failed" && $4 != "exited" { print $1 }')
[ -n "$running" ] || exit 0
# shellcheck disable=SC2086
systemctl show --no-pager --timestamp=unix -p Id -p InactiveExitTimestamp $running 2>/dev/null ||
	printf 'Id=%s\n' $running
exit 0
