# shellcheck shell=sh
# Whose marker counts. It stands before slot.sh, and in front of look.shared.sh, which all looks are forked from.

# credible PID SERVICE SLOT: its marker is to be believed. Anybody can write one. It counts for a process of root's, of ours
# or of a user as whom the service was started, in the unit of its slot, or that start has noted, with what that has forked.
credible() {
	[ -n "${_us:-}" ] || {
		real_uid $$
		_us=$_u
	}
	real_uid "$1"
	[ -n "$_u" ] || return 1
	[ "$_u" != 0 ] && [ "$_u" != "$_us" ] || return 0
	_dir="$STATE/projects/$PROJECT/services/$2"
	while read -r _l; do
		[ "$_l" != "$_u" ] || return 0
	done 2>/dev/null <"$_dir/users"
	while IFS= read -r _l; do
		case $_l in
		*/user.slice/*) ;;
		*"/shipctl-$PROJECT-$2-$3.service" | *"/shipctl-$PROJECT-$2-$3.service/"*) return 0 ;;
		esac
	done 2>/dev/null <"/proc/$1/cgroup"
	_s=$(session_of "$1")
	read -r _boot </proc/sys/kernel/random/boot_id
	for _l in "$_dir/$3.proc" "$_dir/$3.started"; do
		{ read -r _b _p _t _ <"$_l"; } 2>/dev/null || continue
		[ "$_b" = "$_boot" ] && { [ "$_p" = "$1" ] || [ "$_p" = "$_s" ]; } && proc_is "$_p" "$_t" && return 0
	done
	return 1
}

# of_job PID: it belongs to a job that a launcher started: its environment says so, or it has the launcher's locks.
of_job() {
	[ -z "$(env_of "$1" SHIPCTL_JOB)" ] || return 0
	for _f in 8 9; do
		case $(readlink "/proc/$1/fd/$_f" 2>/dev/null) in */jobs/.state/*) return 0 ;; esac
	done
	return 1
}

# real_uid PID: _u is whose process it is. A program with the rights of another stays its caller's.
real_uid() {
	_u=
	while read -r _k _v _; do
		[ "$_k" != Uid: ] || {
			_u=$_v
			return 0
		}
	done 2>/dev/null <"/proc/$1/status"
}

# session_of PID: the session's number, which is the PID of the process that we started it with.
session_of() {
	_s=
	while IFS= read -r _l || [ -n "$_l" ]; do _s="$_s $_l"; done 2>/dev/null <"/proc/$1/stat" || return 1
	_s=${_s##*) }
	# shellcheck disable=SC2086
	set -- $_s
	printf '%s\n' "${4:-}"
}
