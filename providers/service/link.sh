# shellcheck shell=sh
# Points a slot's link to what runs in the slot, where somebody moved or removed it. Arguments: 1 service 2 slot 3 release
# 4 digest 5 directory 6 root. Nothing is restarted: the program has that directory already.
name=$1 slot=$2 release=$3 digest=$4 dir=$5 root=$6
slot
running >/dev/null || die "release $release does not run in slot $slot any more: it was left as it is. Plan again."
mkdir -p "$root/slots" || die "can't make $root/slots"
switch_link "$dir" "$root/slots/$slot" || die "can't point $root/slots/$slot to $dir"
