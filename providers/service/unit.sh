# shellcheck shell=sh
# Writes a slot's unit again, which somebody changed, as its program was started with it. Arguments: 1 service 2 slot.
# Nothing is restarted: systemd reads the unit, and goes by it from then on.
name=$1 slot=$2
slot
have systemctl || die "no systemd on this machine: use runner = \"process\"."
file="/etc/systemd/system/$unit" copy="$home/$slot.unit"
[ -s "$copy" ] || die "what stood in $file is not recorded in $copy any more: deploy a version, which writes it anew."
if [ ! -e "$copy.due" ] && cmp -s "$copy" "$file" && [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ]; then
	echo 'it is as it was written'
	exit 0
fi

# older: nothing runs in the unit that may have been started with what somebody made of it.
older() {
	main=$(main_pid)
	[ "$main" = 0 ] || { noted "$home/$slot.started" && [ "$PID" = "$main" ]; }
}
younger="the program of $slot was started again meanwhile, and it is not known with what. Plan again."
older || die "$younger"
# Until systemd has read it, it is not done, however this ends.
: >"$copy.due" || die "can't write $copy.due"
write_atomic "$file" 644 <"$copy" || die "can't write $file"
systemctl daemon-reload || die "systemctl daemon-reload failed"
systemctl enable --quiet "$unit" 2>&1 || die "systemctl enable $unit failed"
older || die "$younger"
wrote_unit || die "can't write $copy.at"
rm -f "$copy.due"
