# shellcheck shell=sh
# Whether jobs run, and how they ended lately. Arguments: 1 the release's root 2… names of jobs. For each job
#   job NAME idle | running START PID RELEASE | unknown WHY    "running" once for each run; 0 0 - when nothing is recorded
#   run NAME START END STATUS RELEASE                          the last runs, oldest first; - - where nobody saw the end
# START and END are seconds since 1970. At the end "now SECONDS". Window judges by this: keep the format.
# A job runs as long as its lock is held, by itself or by a child of it, whatever is recorded. The lock is tried for a
# moment; launchers don't take that for a run (see launcher.sh).
root=$1
shift
jobs=$root/jobs/.state

# sight NAME: idle, running or unknown WHY.
sight() {
	if [ ! -e "$jobs/$1.lock" ]; then
		up=$jobs
		while [ -n "$up" ] && [ ! -e "$up" ]; do up=${up%/*}; done
		if [ -d "${up:-/}" ] && [ -x "${up:-/}" ]; then
			printf 'idle\n'
		else
			printf 'unknown may not look into %s\n' "${up:-/}"
		fi
		return
	fi
	have flock || {
		printf 'unknown there is no flock on this machine: install util-linux\n'
		return
	}
	[ -r "$jobs/$1.lock" ] || {
		printf 'unknown may not read %s\n' "$jobs/$1.lock"
		return
	}
	if flock -n -x 9; then printf 'idle\n'; else printf 'running\n'; fi 2>/dev/null 9<"$jobs/$1.lock"
}

# Records lie in directories of the jobs' users. Only plain files of a reasonable size are read; what becomes a pipe in this
# very moment keeps us for some seconds at most.
plain=$(
	for name in "$@"; do
		shift
		set -- "$@" "$jobs/$name/runs.1" "$jobs/$name/runs"
	done
	find "$@" -maxdepth 0 -type f -size -1000k 2>/dev/null
)
soon=
have timeout && soon='timeout 10'

# shellcheck disable=SC2016 # for awk
for name in "$@"; do
	case $name in '' | -* | *[!A-Za-z0-9_-]*) die "$name is not the name of a job" ;; esac
	printf 'job %s %s\n' "$name" "$(sight "$name")"
done | dir="$jobs" plain="$plain" $soon awk '
	function number(s) { return s ~ /^[0-9]+$/ && length(s) < 12 }
	function word(s) { return s ~ /^[A-Za-z0-9._+-]+$/ && length(s) < 65 }
	function lives(pid,  l, f) { f = "/proc/" pid "/stat"; l = (getline l < f) > 0; close(f); return l }
	function read(file,  l, f, n) {
		if (!(file in plain)) return
		while ((getline l < file) > 0) {
			n = split(l, f, " ")
			if (f[1] == "start" && n == 4 && number(f[2]) && number(f[3]) && word(f[4])) {
				open[f[2] " " f[3]] = f[4]
				order[++opened] = f[2] " " f[3]
			} else if (f[1] == "end" && n == 6 && number(f[2]) && number(f[3]) && number(f[4]) && number(f[5]) && word(f[6])) {
				delete open[f[2] " " f[5]]
				ended[++ends] = f[2] " " f[3] " " f[4] " " f[6]
			}
		}
		close(file)
	}
	BEGIN {
		n = split(ENVIRON["plain"], f, "\n")
		for (i = 1; i <= n; i++) plain[f[i]]
	}
	{
		name = $2
		split("", open); split("", order); split("", ended)
		opened = ends = shown = 0
		read(ENVIRON["dir"] "/" name "/runs.1")
		read(ENVIRON["dir"] "/" name "/runs")
		if ($3 != "running") print
		for (i = 1; i <= opened; i++) {
			if (!(order[i] in open)) continue
			split(order[i], p, " ")
			if ($3 == "running" && lives(p[2])) {
				print "job", name, "running", p[1], p[2], open[order[i]]
				shown++
				continue
			}
			last = p[1] " " p[2] " " open[order[i]]
			ended[++ends] = p[1] " - - " open[order[i]]
		}
		if ($3 == "running" && !shown) print "job", name, "running", (last == "" ? "0 0 -" : last)
		last = ""
		# By their beginning, a few at the end.
		for (i = 2; i <= ends; i++) for (j = i; j > 1 && ended[j - 1] + 0 > ended[j] + 0 && i - j < 50; j--) { t = ended[j]; ended[j] = ended[j - 1]; ended[j - 1] = t }
		for (i = (ends > 10 ? ends - 9 : 1); i <= ends; i++) print "run", name, ended[i]
	}'
printf 'now %s\n' "$(date +%s)"
