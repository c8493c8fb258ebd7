package window

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// under runs a script of ours in a shell. paths replaces places of the system with the test's own.
func under(t *testing.T, shell string, paths map[string]string, name string, args ...string) (out string, status int) {
	t.Helper()
	raw, err := scripts.ReadFile(name + ".sh")
	if err != nil {
		t.Fatal(err)
	}
	body := string(raw)
	for from, to := range paths {
		body = strings.ReplaceAll(body, from, to)
	}
	argv := []string{shell}
	path := "PATH=" + paths["PATH"] + os.Getenv("PATH")
	if shell == "busybox" {
		argv = []string{"busybox", "sh"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], "-s")...)
	words := ""
	for _, a := range args {
		q, err := remote.Quote(a)
		if err != nil {
			t.Fatal(err)
		}
		words += " " + q
	}
	cmd.Stdin = strings.NewReader("{\n" + remote.Prelude() + "\nset --" + words + "\n( " + body + "\n) </dev/null 2>&1\nexit $?\n}\n")
	cmd.Env = append(os.Environ(), path)
	b, _ := cmd.CombinedOutput()
	return string(b), cmd.ProcessState.ExitCode()
}

func each(t *testing.T, f func(t *testing.T, shell string)) {
	for _, sh := range remotetest.Shells(t) {
		t.Run(sh, func(t *testing.T) { f(t, sh) })
	}
}

func put(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestShellcheck(t *testing.T) {
	remotetest.Shellcheck(t, ".")
	remotetest.Joined(t, "window", scripts)
}

func TestClockScript(t *testing.T) {
	each(t, func(t *testing.T, sh string) {
		for name, c := range map[string]struct{ link, file, timezone, want string }{
			"none": {want: "UTC"}, "link": {link: "/usr/share/zoneinfo/Asia/Seoul", want: "Asia/Seoul"}, "relative": {link: "../usr/share/zoneinfo/UTC", want: "UTC"},
			"copy": {file: "TZif2", want: "?"}, "copy and name": {file: "TZif2", timezone: "Europe/Berlin\n", want: "Europe/Berlin"}, "strange": {link: "/opt/zone", want: "?"},
			"hostile": {link: "/zoneinfo/a b\nc", want: "?"},
		} {
			etc := t.TempDir()
			if c.link != "" {
				if err := os.Symlink(c.link, etc+"/localtime"); err != nil {
					t.Fatal(err)
				}
			}
			if c.file != "" {
				put(t, etc+"/localtime", c.file, 0o644)
			}
			if c.timezone != "" {
				put(t, etc+"/timezone", c.timezone, 0o644)
			}
			out, status := under(t, sh, map[string]string{"/etc/": etc + "/"}, "clock")
			f := strings.Fields(out)
			if status != 0 || len(f) != 3 || f[2] != c.want {
				t.Errorf("%s: exit %d: %q", name, status, out)
				continue
			}
			if now, err := strconv.ParseInt(f[1], 10, 64); err != nil || time.Since(time.Unix(now, 0)).Abs() > time.Minute {
				t.Errorf("%s: %q", name, out)
			}
		}
	})
}

func TestCrontabScript(t *testing.T) {
	each(t, func(t *testing.T, sh string) {
		dir := t.TempDir()
		paths := map[string]string{"/etc/": dir + "/etc/", "/var/spool/cron": dir + "/spool"}
		out, status := under(t, sh, paths, "crontab")
		if tab := readTab(out); status != 0 || len(tab.entries)+len(tab.odd) != 0 {
			t.Errorf("nothing there: exit %d, %+v", status, tab)
		}
		put(t, dir+"/etc/crontab", "SHELL=/bin/sh\n17 * * * * root cd / && run-parts\n", 0o644)
		put(t, dir+"/etc/cron.d/settle", "CRON_TZ=Asia/Seoul\n0 13 * * * batch /srv/settle.sh # no newline", 0o644)
		put(t, dir+"/etc/cron.d/.placeholder", "this is no crontab\n", 0o644)
		put(t, dir+"/etc/cron.d/old.rpmsave", "this is no crontab\n", 0o644)
		put(t, dir+"/spool/crontabs/deploy", "*/5 * * * * /srv/tick | cat\n@daily /srv/day\n", 0o600)
		put(t, dir+"/spool/crontabs/tmp.x1", "half written", 0o600)
		out, status = under(t, sh, paths, "crontab")
		tab := readTab(out)
		if status != 0 || len(tab.odd) != 0 || len(tab.entries) != 4 {
			t.Fatalf("exit %d, odd %q, entries %+v", status, tab.odd, tab.entries)
		}
		if e := tab.entries[1]; e.user != "batch" || e.zone != "Asia/Seoul" || e.schedule != "0 13 * * *" || !strings.HasPrefix(e.command, "/srv/settle.sh") {
			t.Errorf("%+v", e)
		}
		if e := tab.entries[3]; e.user != "deploy" || e.zone != "" || e.schedule != "@daily" || e.command != "/srv/day" {
			t.Errorf("%+v", e)
		}
		out, _ = under(t, sh, paths, "crontab", "root")
		if strings.Contains(out, "file user") {
			t.Errorf("another user's crontab was read: %s", out)
		}
	})
}

// TestCrontabRunning: what is a child of cron runs.
func TestCrontabRunning(t *testing.T) {
	each(t, func(t *testing.T, sh string) {
		dir := t.TempDir()
		shell, err := exec.LookPath("bash")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(shell, dir+"/cron"); err != nil { // its name is what the kernel calls it
			t.Fatal(err)
		}
		cmd := exec.Command(dir+"/cron", "-c", `sh -c 'sleep 8765; true' & wait`)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = exec.Command("pkill", "-P", strconv.Itoa(cmd.Process.Pid)).Run()
			_ = exec.Command("pkill", "-f", "sleep 8765").Run()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
		paths := map[string]string{"/etc/": dir + "/etc/", "/var/spool/cron": dir + "/spool"}
		var tab tab
		found := false
		for end := time.Now().Add(20 * time.Second); !found && time.Now().Before(end); {
			out, _ := under(t, sh, paths, "crontab")
			tab = readTab(out)
			for _, r := range tab.runs {
				found = found || plain(r.command) == "sh -c sleep 8765; true" && time.Since(r.since).Abs() < time.Minute
			}
		}
		if !found {
			t.Errorf("%+v", tab.runs)
		}
	})
}

func TestProcessScript(t *testing.T) {
	cmd := exec.Command("sleep", "9876")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	each(t, func(t *testing.T, sh string) {
		out, status := under(t, sh, nil, "process", "sleep 9876")
		f := strings.Fields(out)
		if status != 0 || strings.Count(out, "\n") != 1 || len(f) != 5 || f[1] != strconv.Itoa(cmd.Process.Pid) {
			t.Fatalf("exit %d: %s", status, out)
		}
		if n, err := strconv.ParseInt(f[2], 10, 64); err != nil || time.Since(time.Unix(n, 0)).Abs() > time.Minute {
			t.Errorf("%s", out)
		}
		if out, status := under(t, sh, nil, "process", "no program is called like 'this'"); status != 0 || out != "" {
			t.Errorf("exit %d: %s", status, out)
		}
	})
}

// TestProcessScriptOfOthers: whose namespaces one may not look at counts; what is in a container does not, whoever asks.
func TestProcessScriptOfOthers(t *testing.T) {
	each(t, func(t *testing.T, sh string) {
		nobody := asNobody(t, sh)
		first := strings.Fields(cmdline(t, "1"))[0]
		if out, status := under(t, nobody, nil, "process", first); status != 0 || !strings.Contains(out, "proc 1 ") {
			t.Errorf("the first process of all: exit %d: %s", status, out)
		}
		if os.Getuid() != 0 {
			return
		}
		// The text of the command line is put together behind the border only.
		cmd := exec.Command("unshare", "-pf", "--kill-child", "sh", "-c", `exec sleep "98$0"`, "74")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
		inside := ""
		for end := time.Now().Add(20 * time.Second); inside == "" || !strings.HasPrefix(cmdline(t, inside), "sleep 9874"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing runs in the container")
			}
			raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
			inside = strings.TrimSpace(string(raw))
		}
		for _, who := range []string{sh, nobody} {
			if out, status := under(t, who, nil, "process", "sleep 9874"); status != 0 || out != "" {
				t.Errorf("%s: pid %s is in a container: exit %d: %s", who, inside, status, out)
			}
		}
	})
}

// TestProcessScriptLong: the text may stand behind a class path of any length.
func TestProcessScriptLong(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read -r _", strings.Repeat("x.jar:", 20000), "com.example.Settle9873") // alone: a child begins with the same command line
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	each(t, func(t *testing.T, sh string) {
		out, status := under(t, sh, nil, "process", "com.example.Settle9873")
		if status != 0 || !strings.HasPrefix(out, fmt.Sprintf("proc %d ", cmd.Process.Pid)) || len(out) > 300 {
			t.Errorf("exit %d: %.300s", status, out)
		}
	})
}

func cmdline(t *testing.T, pid string) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(raw), "\x00", " ")
}

// asNobody is a shell of somebody without any rights: an ordinary user's, where the test is one's already.
func asNobody(t *testing.T, shell string) string {
	t.Helper()
	if os.Getuid() != 0 {
		return shell
	}
	dir, err := os.MkdirTemp("/var/tmp", "shipctl-nobody-*") // others may not enter the test's own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := dir + "/sh"
	applet := ""
	if shell == "busybox" {
		applet = " sh"
	}
	put(t, name, "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "+shell+applet+" \"$@\"\n", 0o755)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestTimersScript: a systemctl of the test's own answers as Debian's; and none, or one that fails, is said.
func TestTimersScript(t *testing.T) {
	each(t, func(t *testing.T, sh string) {
		bin := t.TempDir()
		put(t, bin+"/systemctl", `#!/bin/sh
case $* in
list-timers*) echo '[{"next":1772424000000000,"left":1,"last":0,"passed":0,"unit":"settle.timer","activates":"settle.service"}]' ;;
show*timer*) printf 'Id=settle.timer\nTimersCalendar={ OnCalendar=*-*-* *:00/5:00 ; next_elapse=Mon }\nTimersMonotonic=\n\n' ;;
list-units*) printf 'settle.service loaded activating start A job\nssh.service loaded active running SSH\nonce.service loaded active exited x\n' ;;
show*) printf 'Id=settle.service\nInactiveExitTimestamp=@1772400000\n\nId=ssh.service\nInactiveExitTimestamp=@1\n'; echo "$*" >&2 ;;
esac
`, 0o755)
		out, status := under(t, sh, map[string]string{"PATH": bin + ":"}, "timers")
		set, err := readTimers(out)
		if status != 0 || err != nil || len(set.list) != 1 || set.list[0].Next == nil || !set.frequent["settle.timer"] {
			t.Fatalf("exit %d, %v: %+v\n%s", status, err, set, out)
		}
		if since, runs := set.running["settle.service"]; !runs || since.Unix() != 1772400000 {
			t.Errorf("%+v", set.running)
		}
		if _, runs := set.running["once.service"]; runs {
			t.Errorf("%+v", set.running)
		}
		put(t, bin+"/systemctl", "#!/bin/sh\nexit 1\n", 0o755)
		if out, status := under(t, sh, map[string]string{"PATH": bin + ":"}, "timers"); status == 0 || !strings.Contains(out, "249 or newer") {
			t.Errorf("exit %d: %s", status, out)
		}
	})
}

func TestOften(t *testing.T) {
	for value, want := range map[string]bool{
		"{ OnCalendar=*-*-* 13:00:00 ; next_elapse=x }": false, "{ OnCalendar=*-*-* *:00:00 ; next_elapse=x }": true, "{ OnCalendar=*-*-* *:00/5:00 ; next_elapse=x }": true,
		"{ OnCalendar=*-*-* 00/12:00:00 ; next_elapse=x }": false, "{ OnCalendar=*-*-* 13:00/5:00 ; next_elapse=x }": false,
		"{ OnCalendar=*-*-* 06,18:*:00 ; next_elapse=x }": false, "{ OnCalendar=*-*-* 09..17:*:00 ; next_elapse=x }": false, "{ OnCalendar=*-*-* 13:*:* ; next_elapse=x }": false,
		"{ OnCalendar=*-*-* 00/1:30:00 ; next_elapse=x }": true, "{ OnCalendar=*-*-* 00..23:00:00 ; next_elapse=x }": true, "{ OnCalendar=*-*-* 00..11,12..23:*:00/10 ; next_elapse=x }": true,
		"{ OnCalendar=*-*-* 01/1:00:00 ; next_elapse=x }": false, "{ OnCalendar=*-*-* 00/2,01/2:00:00 ; next_elapse=x }": true, "{ OnCalendar=*-*-* 00..23/2:00:00 ; next_elapse=x }": false,
		"{ OnCalendar=*-*-* 00/0:00:00 ; next_elapse=x }": false, "{ OnCalendar=*-*-* x..99:00:00 ; next_elapse=x }": false,
		"{ OnCalendar=Mon *-*-01 00:00:00 ; next_elapse=x }":       false,
		"{ OnCalendar=*-*-* 13:00:00 Asia/Seoul ; next_elapse=x }": false, "{ OnCalendar=Mon *-*-* *:00:00 Asia/Seoul ; next_elapse=x }": true, "{ OnUnitActiveUSec=1min ; next_elapse=x }": true,
		"{ OnUnitActiveUSec=1d ; next_elapse=x } { OnBootUSec=15min ; next_elapse=x }": false, "{ OnUnitInactiveUSec=1h 30min ; next_elapse=x }": false,
		"{ OnBootUSec=15min ; next_elapse=x }": false, "": false,
	} {
		if got := often(value); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
