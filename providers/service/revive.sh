# shellcheck shell=sh
# Starts again what this run has stopped in a slot, with the command, the environment and the release that it had. It copes
# with a stop that was done, half done or not begun. Arguments: 1 service 2 slot 3 seconds to wait until it listens.
name=$1 slot=$2 wait=$3
slot
kept="$home/$slot.again.$RUN"
if [ ! -e "$kept" ]; then
	echo 'nothing was stopped'
	exit 0
fi
[ -s "$kept" ] || die "$slot was started without strategy = \"recreate\", so what it takes to start it again is not known here. Apply the earlier version again."

set --
word='' first='' state=''
while IFS= read -r line; do
	case $state$line in
	-- | -=) set -- "$@" "$word" ;;
	esac
	case $line in
	- | =) state=$line word='' first=1 ;;
	+*)
		if [ -n "$first" ]; then word=${line#+}; else word=$word$_nl${line#+}; fi
		first=''
		;;
	esac
done <"$kept"
[ "$state" = = ] || die "$kept is not complete"
INPUT=$word
[ -z "$first" ] || INPUT=''
start_slot "$@" || exit
begin=$(now_ms)
until [ -n "$(listeners "$port")" ]; do
	if [ $(($(now_ms) - begin)) -ge $((wait * 1000)) ]; then
		printf 'it does not listen yet, %s s after it was started again\n' "$wait"
		exit 0
	fi
	nap
done
printf '%s runs release %s again\n' "$slot" "$release"
