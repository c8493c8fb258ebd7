# shellcheck shell=sh
# Tells the steps of this run on this machine that only wait (see interrupted in prelude.sh) to end: somebody wants the
# run to stop. Where another run took over there is nothing of this one to tell.
dir="$STATE/projects/$PROJECT"
held=$(sed -n 's/^epoch \([0-9][0-9]*\)$/\1/p' "$dir/lease" 2>/dev/null)
[ "${held:-0}" -le "$EPOCH" ] || exit 0
mkdir -p "$dir" || die "can't make $dir as $(id -un)"
printf '%s\n' "$RUN" | write_atomic "$dir/interrupt" 644 || die "can't write $dir/interrupt"
