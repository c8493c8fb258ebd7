# shellcheck shell=sh
# Writes down what a run does on this machine. Arguments: 1 begin or end. $INPUT is one line, the history's entry, and at
# the end a second one, the record ("-": as it was). Running it twice does what once does.
what=$1
dir="$STATE/projects/$PROJECT"
# By sed: for a line about thousands of machines a shell's own patterns take minutes.
entry=$(printf '%s\n' "$INPUT" | sed -n 1p)
record=$(printf '%s\n' "$INPUT" | sed -n 2p)
umask 077

# keep FILE LINE: appends the line to the history, unless it is its last. A history of more than 4 MB loses its older half.
keep() {
	[ "$(tail -n 1 "$dir/history" 2>/dev/null)" != "$1" ] || return 0
	[ "$(wc -c 2>/dev/null <"$dir/history" || echo 0)" -lt 4000000 ] || {
		tail -c 2000000 "$dir/history" | sed 1d | write_atomic "$dir/history" 600 || return 1
	}
	# A crash may have left half a line: ours begins on a line of its own.
	[ -z "$(tail -c 1 "$dir/history" 2>/dev/null)" ] || printf '\n' >>"$dir/history" || return 1
	printf '%s\n' "$1" >>"$dir/history" && sync_path "$dir/history"
}

# run_of LINE: the run that an entry is of; it is among the first things in it.
run_of() {
	head=$(printf '%s\n' "$1" | cut -c 1-400)
	rest=${head#*'"run":"'}
	[ "$rest" = "$head" ] || printf '%s\n' "${rest%%'"'*}"
}

mkdir -p "$dir" || die "can't make $dir as $(id -un)"
case $what in
begin)
	if [ -s "$dir/running" ]; then
		IFS= read -r old <"$dir/running" || [ -n "$old" ] || old=
		case $old in
		"$entry" | '') ;;
		*) keep "$old" || die "can't write $dir/history as $(id -un)" ;;
		esac
	fi
	printf '%s\n' "$entry" | write_atomic "$dir/running" 600 || die "can't write $dir/running as $(id -un)"
	[ "$record" = - ] || printf '%s\n' "$record" | write_atomic "$dir/record" 600 || die "can't write $dir/record as $(id -un)"
	;;
end)
	[ "$record" = - ] || printf '%s\n' "$record" | write_atomic "$dir/record" 600 || die "can't write $dir/record as $(id -un)"
	# A run that had no step did not begin here: what another one began and could not end goes to the history as it is, once.
	old=
	[ ! -s "$dir/running" ] || IFS= read -r old <"$dir/running" || :
	if [ -n "$old" ] && [ "$(run_of "$old")" != "$(run_of "$entry")" ]; then
		keep "$old" || die "can't write $dir/history as $(id -un)"
		printf '%s\n' "$entry" | write_atomic "$dir/running" 600 || die "can't write $dir/running as $(id -un)"
	fi
	keep "$entry" || die "can't write $dir/history as $(id -un)"
	rm -f "$dir/running"
	;;
*) die "journal: what is $what?" ;;
esac
