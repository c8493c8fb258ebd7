# Who this machine is, and what it has: "key value" a line.
printf 'machine %s\n' "$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)"
printf 'boot %s\n' "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
printf 'uid %s\n' "$(id -u)"
printf 'state %s\n' "$STATE"
for p in flock setsid setpriv tar gzip curl bash timeout systemctl journalctl sha256sum; do
	have "$p" && printf 'has %s\n' "$p"
done
[ -d /run/systemd/system ] && printf 'has systemd\n'
exit 0
