package batch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

var ref = config.Ref{Kind: "batch", Name: "settlement"}

func settlement(id string, jobs ...string) Spec {
	s := Spec{
		Project: "tea", Name: "settlement", RunAs: "batch", Hosts: []config.HostValue{{Name: "batch-1"}},
		Release: Release{Ref: config.Ref{Kind: "release", Name: "settlement"}, Pin: "version", ID: id, Root: "/srv/settlement"},
	}
	if id == "" {
		s.Release.Pin = "live"
	}
	for _, name := range jobs {
		s.Jobs = append(s.Jobs, Job{Name: name, Command: []string{"./" + name}, Concurrency: Forbid, OnDeployment: Wait})
	}
	return s
}

// on is what files.sh prints where the spec's launchers are as it wants them.
func on(s Spec, current string) string {
	text := "current " + current + "\n"
	for _, j := range s.Jobs {
		sha := digest(s.text(j))
		text += fmt.Sprintf("file %s %s x %s\nwrote %s %s %s\n", j.Name, sha, s.owner(), j.Name, sha, s.RunAs)
	}
	return text
}

func seenText(text string) remote.Answer { return remote.Answer{Sight: remote.Seen, Text: text} }

func TestDiff(t *testing.T) {
	one, two := settlement("42", "close"), settlement("42", "close", "report")
	other := settlement("42", "close")
	other.Jobs[0].Command = []string{"./other"}
	shaOf := func(s Spec) string { return digest(s.text(s.Jobs[0])) }
	edited := strings.Repeat("e", 64)
	root := "uid 0\nuser root\nhas sha256sum\n"
	create := "create + job close\n  write launchers of close <release.settlement[\"batch-1\"]/publish >release.settlement[\"batch-1\"]/activate %s undo -\n"
	update := func(note, when string) string {
		return "update ~ job close" + note + "\n  write launchers of close <release.settlement[\"batch-1\"]/publish >release.settlement[\"batch-1\"]/activate " + when + " undo "
	}
	tests := []struct {
		name, id string
		spec     Spec
		a        remote.Answer
		want     string
	}{
		{"nothing there", root, one, remote.Answer{Sight: remote.Absent}, fmt.Sprintf(create, "later")},
		{"as configured", root, one, seenText(on(one, "42")), "no-op 1 job\n"},
		{"another release comes", root, one, seenText(on(one, "41")), "no-op 1 job\n"},
		{"what is live", root, settlement("", "close"), seenText(on(one, "41")), "no-op 1 job\n"},
		{"command changed", root, one, seenText(on(other, "42")), update("", "now") + shaOf(other)[:12] + "\n"},
		{"command changed with a release", root, one, seenText(on(other, "41")), update("", "later") + shaOf(other)[:12] + "\n"},
		{"edited by hand", root, one, seenText("current 42\nfile close " + edited + " x tea/settlement\nwrote close " + shaOf(one) + " batch\n"), update(" (its launcher was edited by hand)", "now") + edited[:12] + "\n"},
		{"removed by hand", root, one, seenText("current 42\nwrote close " + shaOf(one) + " batch\n"), "create + job close (its launcher was removed by hand)\n" + strings.SplitN(fmt.Sprintf(create, "now"), "\n", 2)[1]},
		{"not executable", root, one, seenText(strings.Replace(on(one, "42"), " x ", " - ", 1)), update(" (its launcher can't be executed)", "now") + shaOf(one)[:12] + "\n"},
		{"another user", root, one, seenText(strings.Replace(on(one, "42"), " batch\n", " deploy\n", 1)), update("", "now") + shaOf(one)[:12] + "\n"},
		{"the command before is in force", root, one, seenText(on(one, "42") + "pending close 42\n"), update(" (an earlier command is in force with this release)", "now") + shaOf(one)[:12] + "\n"},
		{"the command before was for an earlier one", root, one, seenText(on(one, "42") + "pending close 41\n"), "no-op 1 job\n"},
		{"back to where it was", root, one, seenText(on(one, "43") + "pending close 42\n"), update(" (an earlier command is in force with this release)", "later") + shaOf(one)[:12] + "\n"},
		{"a job less", root, one, seenText(on(two, "42")), "update - job report\n  remove launchers of report <release.settlement[\"batch-1\"]/publish >release.settlement[\"batch-1\"]/activate now undo " + digest(two.text(two.Jobs[1]))[:12] + "\n"},
		{"somebody's script", root, one, seenText("current 42\nfile close " + edited + " x -\nfile readme " + edited + " - -\n"), "no-op could not be planned\n  problem: /srv/settlement/jobs/close on batch-1 is there, and is no launcher of shipctl's. Move it away (mv /srv/settlement/jobs/close /srv/settlement/jobs/close.before-shipctl) and plan again.\n"},
		{"a directory", root, one, seenText("current 42\nfile close - - -\n"), "no-op could not be planned\n  problem: /srv/settlement/jobs/close on batch-1 is not a file: it was made by hand. Move it away and plan again.\n"},
		{"another batch's", root, one, seenText("current 42\nfile close " + edited + " x tea/night\nwrote close " + edited + " batch\n"), "no-op could not be planned\n  problem: /srv/settlement/jobs/close on batch-1 is the launcher of another batch (tea/night): give the job another name, or take it out there first.\n"},
		{"another batch's beside it", root, one, seenText(on(one, "42") + "file night " + edited + " x tea/night\n"), "no-op 1 job\n"},
		{"not permitted", root, one, remote.Answer{Sight: remote.Denied, Why: "may not look into /srv"}, "no-op could not be planned\n  problem: could not look into /srv/settlement/jobs on batch-1: not permitted (may not look into /srv). Give the user that deploys access to it, or set sudo = true.\n"},
		{"not asked", root, one, remote.Answer{}, "no-op could not be planned\n  problem: could not look into /srv/settlement/jobs on batch-1: not asked ().\n"},
		{"nonsense", root, one, seenText("rm -rf /\n"), "no-op could not be planned\n  problem: could not understand what is in /srv/settlement/jobs on batch-1: line 1: \"rm\" with 3 words. Look at it by hand.\n"},
		{"no sha256sum", "uid 0\n", one, remote.Answer{Sight: remote.Absent}, "no-op could not be planned\n  problem: there is no sha256sum on batch-1: install the package coreutils\n"},
		{"no such user", root, one, remote.Answer{Sight: remote.Absent}, "no-op could not be planned\n  problem: there is no user batch on batch-1: create it there (useradd --system batch), or change run_as\n"},
		{"no such user, nothing to do", root, one, seenText(on(one, "42")), "no-op 1 job\n"},
		{"not root", "uid 7\nuser deploy\nhas sha256sum\n", one, remote.Answer{Sight: remote.Absent}, "no-op could not be planned\n  problem: only root can write launchers for batch on batch-1: set sudo = true for this host, or drop run_as.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := remote.Facts{}
			f.Put(tt.spec.files("batch-1"), tt.a)
			if strings.HasPrefix(tt.name, "no such user") {
				f.Put(remote.User("batch-1", "batch"), remote.Answer{Sight: remote.Absent})
			}
			f.Put(remote.Identity("batch-1"), seenText(tt.id))
			if d := cmp.Diff(tt.want, show(diff(ref, tt.spec, f))); d != "" {
				t.Error(d)
			}
		})
	}
}

// show prints changes as a test wants to read them.
func show(changes []providers.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s\n", c.Action, c.Line)
		if c.Problem != "" {
			fmt.Fprintf(&b, "  problem: %s\n", c.Problem)
		}
		for _, s := range c.Steps {
			fmt.Fprintf(&b, "  %s <%s >%s %s undo %s\n", s.Title, s.After[0], s.Before[0], s.Do.Args[2], short(s.Undo.Args[3]))
		}
	}
	return b.String()
}

// By content: the release that comes is known to the controller alone.
func TestDiffByContent(t *testing.T) {
	s := settlement("", "close")
	s.Release.Pin, s.Release.From = "content", "build/x.tar.gz"
	f := remote.Facts{}
	f.Put(remote.Identity("batch-1"), seenText("uid 0\nhas sha256sum\n"))
	f.Put(s.files("batch-1"), seenText("current 111111111111\n"))
	for sha, when := range map[string]string{strings.Repeat("1", 64): "now", strings.Repeat("2", 64): "later"} {
		f.Put(s.artifact(), seenText(`{"sha256":"`+sha+`"}`))
		if got := diff(ref, s, f)[0].Steps[0].Do.Args[2]; got != when {
			t.Errorf("%s: %s", sha, got)
		}
	}
}

func TestRemove(t *testing.T) {
	s := settlement("42", "close", "report")
	f := remote.Facts{}
	f.Put(s.files("batch-1"), seenText(on(s, "42")+"file night "+strings.Repeat("e", 64)+" x tea/night\nleft older "+s.owner()+"\nleft other tea/night\nleft some -\n"))
	f.Put(remote.Identity("batch-1"), seenText("uid 0\nhas sha256sum\n"))
	titles := func(c providers.Change) (out []string) {
		for _, st := range c.Steps {
			out = append(out, st.Title)
		}
		return out
	}
	c := remove(ref, s, f)[0]
	if c.Action != providers.Delete || !slices.Equal(titles(c), []string{"remove launchers of close, report", "remove what is left of close, report, older"}) || !c.Steps[1].Final {
		t.Errorf("%+v", c)
	}
	// A run that died between the two, or a job that went on.
	f.Put(s.files("batch-1"), seenText("current 42\nleft close -\nleft some -\n"))
	if c := remove(ref, s, f)[0]; c.Action != providers.Delete || c.Line != "- what is left of job close" || !slices.Equal(titles(c), []string{"remove what is left of close"}) {
		t.Errorf("%+v", c)
	}
	f.Put(s.files("batch-1"), seenText("current 42\nempty\n"))
	if c := remove(ref, s, f)[0]; !slices.Equal(titles(c), []string{"remove /srv/settlement/jobs, which is empty"}) {
		t.Errorf("%+v", c)
	}
	f.Put(s.files("batch-1"), remote.Answer{Sight: remote.Absent})
	if c := remove(ref, s, f)[0]; c.Action != providers.NoOp || c.Problem != "" {
		t.Errorf("%+v", c)
	}
}

func TestTitle(t *testing.T) {
	jobs := settlement("", "a", "b", "c", "d").Jobs
	for want, got := range map[string]string{
		"write launchers of a, b, c and 1 more":   title(jobs, nil),
		"write launchers of a; remove those of x": title(jobs[:1], []string{"x"}),
		"remove launchers of x, y":                title(nil, []string{"x", "y"}),
	} {
		if want != got {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	s := settlement("42", "close", "report", "odd", "old")
	f := remote.Facts{}
	f.Put(s.look("batch-1"), seenText("job close running 1000 77 42\njob close running 1010 78 42\nrun close 10 20 1 41\njob report idle\nrun report 5 - - 41\nrun report 7 9 0 41\n"+
		"job odd unknown may not look into /srv\nnow 2000\n"))
	got := ""
	for _, x := range status(ref, s, f) {
		got += fmt.Sprintf("%s %s %s pid %d since %d %s |", x.Job, x.Health, x.Release, x.PID, x.Since.Unix(), x.Note)
		for _, r := range x.Runs {
			got += fmt.Sprintf(" %d-%d exit %d %s;", r.Start.Unix(), r.End.Unix(), r.Exit, r.Release)
		}
		got += "\n"
	}
	got = strings.ReplaceAll(got, "-62135596800", "?")
	want := `close running 42 pid 77 since 1000  | 10-20 exit 1 41;
close running 42 pid 78 since 1010  | 10-20 exit 1 41;
report idle  pid 0 since ?  | 7-9 exit 0 41; 5-? exit -1 41;
odd not known  pid 0 since ? may not look into /srv |
old not known  pid 0 since ? the machine said nothing about it |
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	f.Put(s.look("batch-1"), remote.Answer{Sight: remote.Unreachable, Why: "no route"})
	if x := status(ref, s, f)[0]; x.Health != "not known" || x.Note != "could not ask: no route" {
		t.Errorf("%+v", x)
	}
	f.Put(s.look("batch-1"), seenText("job close sleeps\n"))
	if x := status(ref, s, f)[0]; x.Health != "not known" {
		t.Errorf("%+v", x)
	}
}
