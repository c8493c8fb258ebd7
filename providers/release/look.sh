# shellcheck shell=sh
# What is under a release root: look ROOT KEY. Absent where ROOT is not there.
#   root PHYSICAL
#   current none | link TARGET | directory | file | odd
#   release ID SHA256 SEQ FORM NAME      what is recorded of it, "- - - -" where nothing is
#   other ID PROJECT                     another project's record has it, and ours does not
#   size ID KIB                          what it took on the disk when it was published
#   activated ID [SECONDS]               oldest first, an ID as often as it was; SECONDS since 1970 on this machine's clock
#   due ID NAME                          a command that should have run after the activation of ID, and did not
#   prune due                            since the last activation, nobody has looked for what may go
#   ready SHA256                         an upload that is not published
# No forks but one for the link: this is asked on every plan.

# there PATH: it is. Says that it is not only when every directory on the way could be searched.
there() {
	if [ -e "$1" ] || [ -L "$1" ]; then return 0; fi
	up=${1%/*}
	while [ -n "$up" ] && [ ! -e "$up" ]; do up=${up%/*}; done
	up=${up:-/}
	[ -d "$up" ] || die "$up is not a directory"
	[ -x "$up" ] || denied "may not look into $up"
	return 1
}

# readable DIR
readable() {
	if [ ! -r "$1" ] || [ ! -x "$1" ]; then denied "may not look into $1"; fi
}

records=$STATE/projects/$PROJECT/releases/$2

there "$1" || absent
[ -d "$1" ] || die "$1 is not a directory"
cd -P "$1" 2>/dev/null || denied "may not look into $1"
printf 'root %s\n' "$PWD"

if [ -L current ]; then
	target=$(readlink current 2>/dev/null)
	case $target in
	'' | *[[:cntrl:]]*) printf 'current odd\n' ;;
	*) printf 'current link %s\n' "$target" ;;
	esac
elif [ -d current ]; then
	printf 'current directory\n'
elif [ -e current ]; then
	printf 'current file\n'
else
	printf 'current none\n'
fi

there "$PWD/releases" || exit 0
if [ -L releases ] || [ ! -d releases ]; then die "$PWD/releases is not a directory of its own"; fi
readable releases
if there "$records"; then readable "$records"; fi

for dir in releases/*; do
	id=${dir#releases/}
	case $id in
	[!A-Za-z0-9]* | *[!A-Za-z0-9._+-]*) continue ;;
	esac
	sha='' seq='' form='' name='' kib=''
	if [ -f "$records/$id" ]; then
		{
			read -r sha seq form name
			read -r _ _ kib
		} <"$records/$id" || :
	fi 2>/dev/null
	printf 'release %s %s %s %s %s\n' "$id" "${sha:--}" "${seq:--}" "${form:--}" "${name:--}"
	[ -n "$sha" ] || for f in "$STATE"/projects/*/releases/"$2/$id"; do
		[ -f "$f" ] || continue
		f=${f#"$STATE/projects/"}
		[ "${f%%/*}" != "$PROJECT" ] || continue # ours, and damaged
		printf 'other %s %s\n' "$id" "${f%%/*}"
	done
	[ -z "$kib" ] || printf 'size %s %s\n' "$id" "$kib"
done

if [ -f "$records/.history" ]; then
	while read -r id at; do printf 'activated %s%s\n' "$id" "${at:+ $at}"; done <"$records/.history"
fi

if [ -f "$records/.after" ]; then
	while read -r id name; do printf 'due %s %s\n' "$id" "$name"; done <"$records/.after"
fi

[ ! -f "$records/.prune" ] || printf 'prune due\n'

for file in releases/.ready-*; do
	sha=${file#releases/.ready-}
	case $sha in
	*[!0-9a-f]*) continue ;;
	esac
	[ -f "$file" ] && printf 'ready %s\n' "$sha"
done
exit 0
