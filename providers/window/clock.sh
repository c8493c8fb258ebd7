# shellcheck shell=sh
# This machine's clock: "clock SECONDS-SINCE-EPOCH ZONE". The zone is a name of the zone database, UTC where none is set,
# and ? where it has no name.
now=$(date -u +%s)
zone=
if [ -L /etc/localtime ]; then
	link=$(readlink /etc/localtime)
	case $link in
	*/zoneinfo/*) zone=${link##*/zoneinfo/} ;;
	*) zone='?' ;;
	esac
elif [ -e /etc/localtime ]; then
	zone='?'
	if [ -r /etc/timezone ]; then read -r zone </etc/timezone || [ -n "$zone" ] || zone='?'; fi
fi
zone=${zone#posix/}
case $zone in *[!A-Za-z0-9_/+-]*) zone='?' ;; esac
printf 'clock %s %s\n' "$now" "${zone:-UTC}"
