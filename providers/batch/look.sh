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

# records FILE: the last of what is in it, each line behind ">". It lies in a directory of the job's user: what is no
# plain file is not read, and no more than that; what becomes a pipe in this moment keeps us for a moment only.
soon=
have timeout && soon='timeout 5'
records() {
	if [ ! -f "$1" ] || [ -L "$1" ] || [ ! -r "$1" ]; then return 0; fi
	# shellcheck disable=SC2086
	$soon tail -c 200000 "$1" 2>/dev/null | sed 's/^/> /'
	printf '\n' # the last line may be half
}

for name in "$@"; do
	case $name in '' | -* | *[!A-Za-z0-9_-]*) die "$name is not the name of a job" ;; esac
	records "$jobs/$name/runs.1"
	records "$jobs/$name/runs"
	printf 'job %s %s\n' "$name" "$(sight "$name")"
done | awk '
	function number(s) { return s ~ /^[0-9]+$/ && length(s) < 12 }
	function word(s) { return s ~ /^[A-Za-z0-9._+-]+$/ && length(s) < 65 }
	function lives(pid,  l, f) { f = "/proc/" pid "/stat"; l = (getline l < f) > 0; close(f); return l }
	function forget() { split("", open); split("", order); split("", ended); opened = ends = shown = 0 }
	BEGIN { forget() }
	$1 == ">" && $2 == "start" && NF == 5 && number($3) && number($4) && word($5) {
		open[$3 " " $4] = $5
		order[++opened] = $3 " " $4
	}
	$1 == ">" && $2 == "end" && NF == 7 && number($3) && number($4) && number($5) && number($6) && word($7) {
		delete open[$3 " " $6]
		ended[++ends] = $3 " " $4 " " $5 " " $7
	}
	$1 == "job" {
		name = $2
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
		forget()
	}'
printf 'now %s\n' "$(date +%s)"
