package release

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// hooked is a release with a migration that runs once and a reload on each machine.
func hooked(hosts ...string) Spec {
	s := tea(PinVersion, "42", hosts...)
	s.BeforeActivate = []Hook{
		{Name: "check", Command: []string{"./check"}, Timeout: time.Minute},
		{Name: "migrate", Command: []string{"./migrate", "up"}, Once: true, Timeout: time.Minute},
	}
	s.AfterActivate = []Hook{
		{Name: "reload", Command: []string{"systemctl", "reload", "php-fpm"}, Timeout: 20 * time.Second, Env: []providers.Env{{Name: "TOKEN", Value: remote.Part{Var: "token"}}}},
		{Name: "tell", Command: []string{"./tell"}, Once: true, Timeout: time.Minute},
	}
	s.Retention = &Retention{Keep: 1}
	return s
}

// order prints "host/verb < what it waits for" of each step.
func order(changes []providers.Change) string {
	short := func(id providers.StepID) string {
		host := strings.Split(string(id), `"`)[1]
		return host + string(id[strings.LastIndexByte(string(id), '/'):])
	}
	var b strings.Builder
	for _, c := range changes {
		for _, s := range c.Steps {
			b.WriteString(short(s.ID))
			for i, a := range s.After {
				b.WriteString([]string{" < ", ", "}[min(i, 1)] + short(a))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestHooksOfRollback: going back runs the commands that are configured now, in the release that it goes back to.
func TestHooksOfRollback(t *testing.T) {
	now := hooked("app-1")
	then := tea(PinVersion, "41", "app-1")
	then.BeforeActivate = []Hook{{Name: "earlier", Command: []string{"./earlier"}, Timeout: time.Minute}}
	back := rollback(now, then)
	r := func(id string, seq int) string {
		return fmt.Sprintf("release %s %s %d file teatime-42.jar", id, strings.Repeat(string('a'+rune(seq)), 64), seq)
	}
	f := remote.Facts{}
	f.Put(back.look("app-1"), seen("root /srv/teatime", "current link /srv/teatime/releases/42", r("41", 1), r("42", 2), "activated 41", "activated 42"))
	changes := diff(config.Ref{Kind: "release", Name: "teatime"}, back, f)
	const want = `app-1/before-check
app-1/before-migrate < app-1/before-check
app-1/activate < app-1/before-check, app-1/before-migrate
app-1/after-reload < app-1/activate
app-1/after-tell < app-1/activate, app-1/after-reload
`
	if d := cmp.Diff(want, order(changes)); d != "" {
		t.Fatal(d)
	}
	if args := changes[0].Steps[0].Do.Args; args[0] != "/srv/teatime" || args[2] != "41" {
		t.Errorf("it runs with %q", args)
	}
}

func TestDiffHooks(t *testing.T) {
	at := func(id string) string { return "current link /srv/teatime/releases/" + id }
	r := func(id string, seq int) string {
		return fmt.Sprintf("release %s %s %d file teatime-42.jar", id, strings.Repeat(string('a'+rune(seq%6)), 64), seq)
	}
	s := hooked("app-1", "app-2")
	facts := func(looks ...remote.Answer) remote.Facts {
		f := remote.Facts{}
		f.Put(s.artifact(), jar(shaA))
		for i, l := range looks {
			f.Put(s.look(s.Hosts[i].Name), l)
		}
		return f
	}
	ref := config.Ref{Kind: "release", Name: "teatime"}
	old := seen("root /srv/teatime", at("41"), r("39", 1), r("40", 2), r("41", 3), "activated 39", "activated 40", "activated 41")
	changes := diff(ref, s, facts(old, old))
	want := `app-1/upload
app-1/publish < app-1/upload
app-1/before-check < app-1/publish, app-2/publish
app-1/before-migrate < app-1/publish, app-2/publish, app-1/before-check, app-2/before-check
app-1/activate < app-1/publish, app-2/publish, app-1/before-check, app-2/before-check, app-1/before-migrate
app-1/after-reload < app-1/activate
app-1/after-tell < app-1/activate, app-2/activate, app-1/after-reload, app-2/after-reload
app-1/prune < app-1/activate, app-2/activate, app-1/publish, app-2/publish, app-1/after-reload, app-2/after-reload, app-1/after-tell
app-2/upload
app-2/publish < app-2/upload
app-2/before-check < app-1/publish, app-2/publish
app-2/activate < app-1/publish, app-2/publish, app-1/before-check, app-2/before-check, app-1/before-migrate
app-2/after-reload < app-2/activate
app-2/prune < app-1/activate, app-2/activate, app-1/publish, app-2/publish, app-1/after-reload, app-2/after-reload, app-1/after-tell
`
	if d := cmp.Diff(want, order(changes)); d != "" {
		t.Error(d)
	}
	nobody := facts(old, old)
	nobody.Put(remote.User("app-2", "www-data"), remote.Answer{Sight: remote.Absent})
	s.BeforeActivate[0].RunAs = "www-data"
	if c := diff(ref, s, nobody); c[0].Problem != "" || c[1].Problem != "there is no user www-data on app-2: create it there (useradd --system www-data), or change run_as" {
		t.Errorf("%q, %q", c[0].Problem, c[1].Problem)
	}
	if same := diff(ref, s, facts(seen("root /srv/teatime", at("42"), r("42", 0)), old)); same[0].Problem != "" {
		t.Errorf("nothing runs there, and yet: %q", same[0].Problem)
	}
	s.BeforeActivate[0].RunAs = ""
	act := changes[0].Steps[4]
	if d := cmp.Diff([]string{"42", "reload", "tell"}, act.Do.Args[2:]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"42", "/srv/teatime/releases/41", "reload", "", "20", "3", "systemctl", "reload", "php-fpm", "tell", "", "60", "1", "./tell"}, act.Undo.Args[2:]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]remote.Part{{Text: "reload TOKEN="}, {Var: "token"}, {Text: "\n"}}, act.Undo.Stdin); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"42", "reload"}, changes[1].Steps[3].Do.Args[2:]); d != "" {
		t.Error(d)
	}

	// An activation that was broken off before its commands: they are run, also when no version is given.
	r42 := "release 42 " + shaA + " 4 file teatime-42.jar"
	done := seen("root /srv/teatime", at("42"), r42, "activated 42")
	left := seen("root /srv/teatime", at("42"), r42, "activated 42", "due 42 tell", "due 41 reload", "due 42 gone")
	for _, pin := range []string{PinVersion, PinLive} {
		s.Pin = pin
		changes = diff(ref, s, facts(done, left))
		if d := cmp.Diff("app-2/after-tell\n", order(changes)); d != "" || changes[0].Action != providers.NoOp || changes[1].Action != providers.Update {
			t.Errorf("%s %+v", d, changes)
		}
		if changes = diff(ref, s, facts(done, done)); order(changes) != "" || changes[1].Action != providers.NoOp {
			t.Errorf("%+v", changes)
		}
	}
}

// A hook runs in its release with its own environment and nothing else, shows what it says, ends at its deadline, and
// does not run again when its reply was lost.
func TestHook(t *testing.T) {
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		b.deploy(write(t, "a.jar", []byte("one")), "1")
		b.deploy(write(t, "b.jar", []byte("two")), "2")
		hook := func(id, when, name, seconds string, words ...string) []string {
			return append([]string{b.root, key, id, when, name, "", seconds}, words...)
		}
		b.step, b.input = "env", "TOKEN=a b\n"
		r := b.must(nil, scriptHook, hook("1", hookBefore, "env", "20", "sh", "-c", `echo "$PWD|$TOKEN|$SHIPCTL_RELEASE|${RUN-unset}|$1"; cat; ! readlink /proc/self/fd/9`, "sh", "x  y")...)
		if want := "  | " + b.at("releases/1") + "|a b|1|unset|x  y"; r.out != strings.TrimSpace(want) {
			t.Errorf("%q, want %q", r.out, want)
		}
		if r = b.must(nil, scriptHook, hook("1", hookBefore, "env", "20", "false")...); !strings.Contains(r.out, "done already") {
			t.Errorf("%q", r.out)
		}
		b.step = "fails"
		b.fails("fails failed with exit status 3. Its last lines:\n  | nope", nil, scriptHook, hook("1", hookBefore, "fails", "20", "sh", "-c", "echo nope; exit 3")...)
		b.fails("failed with exit status 3; the reply", nil, scriptHook, hook("1", hookBefore, "fails", "20", "true")...)
		b.step = "slow"
		b.fails("slow took longer than 1 s", nil, scriptHook, hook("1", hookBefore, "slow", "1", "sh", "-c", "echo begun; exec sleep 60")...)
		b.step = "child"
		begun := time.Now()
		b.must(nil, scriptHook, hook("1", hookBefore, "child", "20", "sh", "-c", "sleep 30 & echo started")...)
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("what the hook left running kept us for %s", took)
		}
		b.fails("release 9 is not on this machine", nil, scriptHook, hook("9", hookBefore, "x", "1", "true")...)

		// What runs after an activation is due until it was done.
		b.step = "activate"
		b.must(nil, scriptActivate, b.root, key, "1", "reload", "warm")
		if got := b.lookText(); !strings.Contains(got, "due 1 reload\ndue 1 warm") {
			t.Error(got)
		}
		b.step = "reload"
		b.must(nil, scriptHook, hook("1", hookAfter, "reload", "20", "true")...)
		if got := b.lookText(); strings.Contains(got, "due 1 reload") || !strings.Contains(got, "due 1 warm") {
			t.Error(got)
		}
		// Undone: the link first, then the commands, in what is live then.
		b.step, b.input = "undo", "reload TOKEN=t\nwarm TOKEN=u\n"
		b.must(nil, scriptActivate, b.root, key, "2", "reload", "warm")
		undo := []string{
			b.root, key, "2", b.at("releases/1"),
			"reload", "", "20", "3", "sh", "-c", `echo "$TOKEN $SHIPCTL_UNDO $SHIPCTL_RELEASE ${PWD##*/} $(readlink ../../current)" >>` + b.at("said"),
			"warm", "", "20", "5", "sh", "-c", `echo "$TOKEN $1" >>` + b.at("said"), "sh", `a"$(b`,
		}
		for range 2 {
			b.must(nil, scriptDeactivate, undo...)
		}
		said, err := os.ReadFile(b.at("said"))
		if want := "t 2 1 1 " + b.at("releases/1") + "\nu a\"$(b\n"; err != nil || string(said) != want {
			t.Errorf("%v %q, want %q", err, said, want)
		}
		if got := b.lookText(); strings.Contains(got, "due") || !strings.Contains(got, "current link ROOT/releases/1") {
			t.Error(got)
		}
	})
}
