# shellcheck shell=sh
# Tells the steps of this run on this machine that only wait (see interrupted in prelude.sh) to end: somebody wants the
# run to stop.
dir="$STATE/projects/$PROJECT"
mkdir -p "$dir" || die "can't make $dir as $(id -un)"
printf '%s\n' "$RUN" | write_atomic "$dir/interrupt" 644 || die "can't write $dir/interrupt"
