package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// window is a batch server with jobs inside, S2: one at 13:00 in Seoul, one every minute.
const window = `
batch_window "settlement" {
  before          = "20m"
  ignore_frequent = true

  actuator {
    time_zone = "Asia/Seoul"
  }
  http {
    path    = "/api/tasks/"
    blocked = [403]
  }
}
`

const busy = "/run/job-runs"

func newWindow(t *testing.T, names []string, hcl string) *site {
	t.Helper()
	program := program("--abrupt", "--jobs=0 0 13 * * *;0 * * * * *", "--busy="+busy) + "\n  windows = [batch_window.settlement]"
	s := newSite(t, names, onBox(service(`variable = "service_url"`, program))+hcl)
	s.m("box-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	for _, n := range names {
		shift(s.m(n))
	}
	return s
}

// shift lets a machine's clock be set. -u: what else reads it compares it with files, which the kernel's clock dates.
func shift(m *fleet.Machine) {
	m.WriteFile("/usr/local/bin/date", "#!/bin/sh\nif [ \"$*\" = '-u +%s' ] && [ -e /run/clock ]; then exec cat /run/clock; fi\nexec /bin/date \"$@\"\n", 0o755)
}

// clock sets a machine's clock: RFC 3339; "" for the real one.
func (s *site) clock(machine, when string) {
	s.t.Helper()
	if when == "" {
		s.m(machine).Exec("rm -f /run/clock")
		return
	}
	now, err := time.Parse(time.RFC3339, when)
	if err != nil {
		s.t.Fatal(err)
	}
	s.m(machine).WriteFile("/run/clock", strconv.FormatInt(now.Unix(), 10)+"\n", 0o644)
}

func (s *site) gate(code int, patterns ...string) {
	s.t.Helper()
	r := s.run("gate")
	if r.code != code {
		s.t.Errorf("gate: exit %d, want %d", r.code, code)
	}
	s.has(r.out, patterns...)
}

// programOf says whether the program of a version runs on box-1.
func (s *site) programOf(version string) bool {
	s.t.Helper()
	out, _ := s.m("box-1").Try("pgrep -f -- '[-]-version=" + version + " '")
	return strings.TrimSpace(out) != ""
}

// amid makes a plan of a version while the window is open, and applies it. begin is when nginx has been switched and
// nothing was stopped yet.
func (s *site) amid(points *checkpoints, version string, begin func(), flags ...string) result {
	s.t.Helper()
	s.has(s.ok("plan", "-var", "version="+version, "-out=saved"), `window settlement: open`)
	points.at(once(point{Step: `service.teatime["box-1"]/switch`, Moment: "after"}, func() string {
		begin()
		return ""
	}))
	defer points.at(nil)
	return s.run(append(append([]string{"apply", "-detailed-exitcode"}, flags...), "saved")...)
}

// TestWindow: S2. The machine's clock is shifted; nobody waits for 13:00.
func TestWindow(t *testing.T) {
	t.Parallel()
	s := newWindow(t, []string{"box-1"}, window)
	points := watch(t)
	s.env = append(s.env, points.env)
	box := s.m("box-1")
	early, late := "2026-03-02T12:39:00+09:00", "2026-03-02T12:41:00+09:00"
	s.clock("box-1", early)
	s.deploy("1")
	s.settled("1")
	apply := func(flags ...string) result {
		return s.run(append([]string{"apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2"}, flags...)...)
	}
	t.Run("19 minutes before", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", late)
		r := s.run("plan", "-var", "version=2", "-detailed-exitcode")
		if r.code != 2 {
			t.Errorf("plan: exit %d", r.code)
		}
		s.has(r.out, `window settlement: closed until 2026-03-02T13:01:00\+09:00 at the earliest: Jobs.job1 at box-1:8081 starts at 2026-03-02T13:00:00\+09:00, in 19m`,
			`switch to green +after .*window settlement`, `stop blue .*window settlement \(advisory\)`, `advisory: a job that something else than a launcher starts`)
		s.gate(3, `closed until 2026-03-02T13:01:00\+09:00`)
		if r := apply(); r.code != 3 || strings.Contains(r.out, "done (") {
			t.Errorf("apply: exit %d, or it ran a step", r.code)
		}
		if v := live(s, "box-1"); v != "1" || s.programOf("2") {
			t.Errorf("version %s is live", v)
		}
		if out := box.Exec("ls /srv/teatime/releases"); strings.Contains(out, "2") {
			t.Errorf("something was begun: %s", out)
		}
	})
	t.Run("21 minutes before", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", early)
		until := `open until 2026-03-02T12:39:[0-5]0\+09:00 \(Jobs.job1 .*; a deployment is expected to take \d+s, as the last one did\)`
		s.gate(0, until)
		s.has(s.ok("plan", "-var", "version=2"), `window settlement: `+until)
	})
	t.Run("over HTTP", func(t *testing.T) { overHTTP(s.with(t), early, late) })
	t.Run("while it runs", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", early)
		box.Exec("touch " + busy)
		s.gate(3, `/api/tasks/ at box-1:8081 answers 403`)
		if r := apply(); r.code != 3 {
			t.Errorf("apply: exit %d", r.code)
		}
		box.Exec("rm " + busy)
		s.gate(0)
	})
	t.Run("it starts between plan and stop", func(t *testing.T) { betweenPlanAndStop(s.with(t), points) })
	t.Run("it starts between plan and stop, forced", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", "2026-03-02T12:30:00+09:00")
		r := s.amid(points, "1", func() { _, _ = box.Try("touch " + busy) }, "-force-window=the auditors wait")
		box.Exec("rm " + busy)
		if r.code != 0 || live(s, "box-1") != "1" || s.programOf("2") {
			t.Errorf("exit %d, or the old one runs", r.code)
		}
		s.has(r.out, `window settlement: open`, `Forced, for this reason: the auditors wait. .*answers 403`, `stop \w+ \(pid \d+\) … done`)
		s.has(s.ok("history", "-limit=1"), `window forced: the auditors wait`)
	})
	t.Run("waited for", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", late)
		cmd, out := s.begin("apply", "-auto-approve", "-var", "version=3", "-wait-window=2m")
		out.until(s, "Waiting up to 2m")
		s.clock("box-1", "2026-03-02T13:05:00+09:00")
		if err := cmd.Wait(); err != nil || live(s, "box-1") != "3" {
			t.Errorf("%v", err)
		}
		s.has(out.String(), `Apply complete`)
	})
	t.Run("forced", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", late)
		r := apply("-force-window=the audit waits", "-json")
		if r.code != 0 || live(s, "box-1") != "2" || s.programOf("3") {
			t.Errorf("exit %d", r.code)
		}
		s.has(r.out, `"forced":"the audit waits"`, `"type":"window"`, `Forced, for this reason: the audit waits`)
		s.has(s.ok("history", "-limit=1"), `window forced: the audit waits`)
		s.has(s.ok("history", "-limit=1", "-json"), `"forced": ?"the audit waits"`)
	})
	t.Run("forced, and open", func(t *testing.T) {
		s := s.with(t)
		s.clock("box-1", "2026-03-02T12:30:00+09:00")
		r := s.run("apply", "-auto-approve", "-var", "version=3", "-force-window=to be sure", "-json")
		if r.code != 0 || strings.Contains(r.out, `"forced"`) || strings.Contains(r.out, "Forced") {
			t.Errorf("exit %d, or it says that an open window was forced", r.code)
		}
		if out := s.ok("history", "-json"); strings.Contains(out, "to be sure") || strings.Count(out, `"forced"`) != 2 {
			t.Errorf("in the history:\n%s", out)
		}
	})
}

// TestBatchServerExample applies the example as it stands: only the address and keys are given. A deployment keeps away from
// the job at 13:00, and from Christmas.
func TestBatchServerExample(t *testing.T) {
	t.Parallel()
	f := fleet.Up(t, "batch-1")
	m := f.Machine("batch-1")
	m.Exec("useradd --system batch")
	shift(m)
	s := &site{t: t, fleet: f, dir: t.TempDir()}
	copyFile(t, "../../examples/batch-server/main.hcl", filepath.Join(s.dir, "main.hcl"))
	s.write("machines.hclvars", fmt.Sprintf("address = %q\nidentity_file = %q\nknown_hosts = %q\n", m.Addr, f.KeyFile, f.KnownHosts))
	s.env = []string{"SHIPCTL_CLI_ARGS=-var-file=machines.hclvars"}
	if err := os.MkdirAll(filepath.Join(s.dir, "build"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"1", "2"} {
		copyFile(t, teatime, filepath.Join(s.dir, "build", "teatime-"+v))
	}
	s.clock("batch-1", "2026-03-02T12:00:00+09:00")
	s.deploy("1")
	s.settled("1")
	for now, why := range map[string]string{
		"2026-03-02T12:41:00+09:00": `Jobs.job1 at batch-1:8081 starts at 2026-03-02T13:00:00\+09:00, in 19m`,
		"2026-12-25T12:00:00+09:00": `deny year-end lasts until 2027-01-03T00:00:00\+09:00`,
	} {
		s.clock("batch-1", now)
		s.gate(3, why)
	}
	s.clock("batch-1", "2026-03-02T12:00:00+09:00")
	m.Exec("touch /run/settlement-runs")
	s.gate(3, `answers 403`)
	m.Exec("rm /run/settlement-runs")
	s.gate(0)
	s.has(s.deploy("2"), `stop server \(pid \d+\) … done`, `start server on :8081 … done`)
	s.settled("2")
}

// held checks that a deployment left the program of a version running, for that reason.
func (s *site) held(r result, old, why string) {
	s.t.Helper()
	if r.code != 7 || !s.programOf(old) {
		s.t.Errorf("exit %d, want 7: held; the old one runs: %v", r.code, s.programOf(old))
	}
	s.has(r.out, `stop \w+ .*: the window is closed`, why, `STILL TO DO +box-1 +stop`, `The window closed on the way`)
}

// betweenPlanAndStop: the plan was made while the window was open; the job starts when nginx has been switched.
func betweenPlanAndStop(s *site, points *checkpoints) {
	t, box := s.t, s.m("box-1")
	s.clock("box-1", "2026-03-02T12:30:00+09:00")
	r := s.amid(points, "2", func() { _, _ = box.Try("touch " + busy) })
	s.held(r, "1", `answers 403`)
	s.has(r.out, `stop blue .*: the window is closed`, `STILL TO DO +box-1 +stop blue`)
	if v := live(s, "box-1"); v != "2" {
		t.Errorf("version %s is live", v)
	}
	s.ok("show", "saved")
	if r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2"); r.code != 3 || !s.programOf("1") {
		t.Errorf("still closed: exit %d", r.code)
	}
	box.Exec("rm " + busy)
	s.deploy("2")
	if s.programOf("1") {
		t.Error("the old one was not stopped when the window was open")
	}
	s.settled("2")
}

// overHTTP: 200 and 403 with the same in JSON.
func overHTTP(s *site, early, late string) {
	cmd := exec.Command(shipctl, "gate", "-listen=127.0.0.1:0")
	cmd.Dir = s.dir
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	first, _ := bufio.NewReader(said).ReadString('\n')
	_, url, _ := strings.Cut(first, "http://")
	url, _, _ = strings.Cut("http://"+url, ";")
	for _, c := range []struct {
		now    string
		status int
	}{{early, 200}, {late, 403}, {early, 200}} {
		s.clock("box-1", c.now)
		resp, err := (&http.Client{Timeout: 30 * time.Second}).Get(url)
		if err != nil {
			s.t.Fatal(err)
		}
		raw, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var d struct {
			Open    bool
			Windows []struct{ Addr, Until, Why string }
		}
		if err := json.Unmarshal(raw, &d); err != nil || resp.StatusCode != c.status || d.Open != (c.status == 200) || len(d.Windows) != 1 || d.Windows[0].Until == "" {
			s.t.Errorf("%s: status %d, %s", c.now, resp.StatusCode, raw)
		}
	}
}

// found is what is found on a machine of its own.
const found = `
batch_window "settlement" {
  before          = "20m"
  ignore_frequent = true

  SOURCE
}
`

// TestWindowSources: jobs of a crontab, of systemd timers, and processes; and what can't be looked at.
func TestWindowSources(t *testing.T) {
	t.Parallel()
	source := func(text string) string { return onBox(strings.Replace(found, "SOURCE", text, 1)) }
	s := newWindow(t, []string{"box-1", "batch-1"}, source(`crontab { hosts = [host.batch-1] }`))
	base := strings.TrimSuffix(s.read("main.hcl"), source(`crontab { hosts = [host.batch-1] }`))
	points := watch(t)
	s.env = append(s.env, points.env)
	batch := s.m("batch-1")
	batch.Exec("ln -sfn /usr/share/zoneinfo/Asia/Seoul /etc/localtime; rm -f /etc/cron.d/*; systemctl restart cron")
	late, early := "2026-03-02T12:41:00+09:00", "2026-03-02T12:39:00+09:00"
	t.Run("crontab", func(t *testing.T) {
		s := s.with(t)
		batch.Exec("printf '* * * * * true\\n0 13 * * * /srv/settle.sh\\n' | crontab -u deploy -")
		s.clock("batch-1", late)
		s.gate(3, `"/srv/settle.sh" \(crontab of deploy on batch-1\) starts at 2026-03-02T13:00:00\+09:00, in 19m`)
		if r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-var", "version=1"); r.code != 3 {
			t.Errorf("apply: exit %d", r.code)
		}
		s.clock("batch-1", early)
		s.gate(0, `open until 2026-03-02T12:40:00\+09:00`)
		// A clock of an hour ahead says that it has been, whatever the controller's says.
		s.clock("batch-1", "2026-03-02T13:41:00+09:00")
		s.gate(0, `2026-03-03T12:40:00\+09:00`)
		batch.Exec("printf '0 25 * * * /srv/settle.sh\\n' > /etc/cron.d/broken")
		s.gate(3, `can't be read: /etc/cron.d/broken`)
		batch.Exec("rm /etc/cron.d/broken")
		s.deploy("1")
	})
	t.Run("days when clocks change", func(t *testing.T) {
		s := s.with(t)
		batch.Exec("ln -sfn /usr/share/zoneinfo/Europe/Berlin /etc/localtime; echo '30 2 * * * /srv/settle.sh' | crontab -u deploy -")
		for _, c := range []struct {
			now  string
			code int
			says string
		}{
			{"2026-03-29T01:38:00+01:00", 0, `open until 2026-03-29T01:[34]`},
			{"2026-03-29T01:41:00+01:00", 3, `starts at 2026-03-29T03:00:00\+02:00, in 19m`}, // right after the hour that is left out
			{"2026-03-29T03:02:00+02:00", 0, `starts at 2026-03-30T02:30:00\+02:00`},
			{"2026-10-25T02:08:00+02:00", 0, `starts at 2026-10-25T02:30:00\+02:00`},
			{"2026-10-25T02:11:00+02:00", 3, `starts at 2026-10-25T02:30:00\+02:00, in 19m`},
			{"2026-10-25T02:08:00+01:00", 0, `starts at 2026-10-25T02:30:00\+01:00`},
			{"2026-10-25T02:11:00+01:00", 3, `starts at 2026-10-25T02:30:00\+01:00, in 19m`},
		} {
			s.clock("batch-1", c.now)
			s.gate(c.code, c.says)
		}
		batch.Exec("ln -sfn /usr/share/zoneinfo/Asia/Seoul /etc/localtime")
	})
	t.Run("unreadable", func(t *testing.T) {
		s := s.with(t)
		hosts := s.read("hosts.hcl")
		s.write("hosts.hcl", strings.Replace(hosts, "host \"batch-1\" {\n", "host \"batch-1\" {\n  sudo = false\n", 1))
		s.clock("batch-1", early)
		s.gate(3, `crontab of batch-1: not permitted.*/var/spool/cron/crontabs: deploy is not permitted to read the crontabs of others`)
		s.write("main.hcl", base+source("crontab {\n    hosts = [host.batch-1]\n    users = [\"deploy\"]\n  }"))
		s.gate(0)
		s.write("hosts.hcl", hosts)
	})
	t.Run("systemd timer", func(t *testing.T) {
		s := s.with(t)
		s.write("main.hcl", base+source("systemd_timers {\n    hosts = [host.batch-1]\n    match = \"^settle\"\n  }"))
		s.clock("batch-1", "")
		batch.WriteFile("/etc/systemd/system/settle.service", "[Service]\nExecStart=sleep 1000\n", 0o644)
		timer := func(in time.Duration) {
			at := time.Now().Add(in).UTC().Format("2006-01-02 15:04:05")
			_, _ = batch.Try("printf '[Timer]\\nAccuracySec=1s\\nOnCalendar=" + at + " UTC\\n' >/etc/systemd/system/settle.timer; systemctl daemon-reload; systemctl restart settle.timer")
		}
		timer(19 * time.Minute)
		s.gate(3, `settle.timer on batch-1 starts at .*, in 1[89]m`)
		timer(25 * time.Minute) // what a deployment is expected to take is among them
		s.gate(0, `settle.timer on batch-1`)
		timer(40 * time.Minute)
		r := s.amid(points, "2", func() {
			timer(10 * time.Second) // it takes a while until systemd knows of it
			for range 300 {
				if out, _ := batch.Try("systemctl is-active settle.service"); strings.TrimSpace(out) == "active" {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		s.held(r, "1", `settle.service runs on batch-1 since 20`)
		s.gate(3, `settle.service runs on batch-1 since 20`)
		batch.Exec("systemctl stop settle.service; true")
		s.deploy("2")
		if s.programOf("1") {
			t.Error("the old one was not stopped when the window was open")
		}
	})
	t.Run("a job of cron's", func(t *testing.T) {
		s := s.with(t)
		s.write("main.hcl", base+source(`crontab { hosts = [host.batch-1] }`))
		batch.WriteFile("/srv/long.sh", "#!/bin/sh\nsleep 1000 | cat\n", 0o755)
		batch.Exec("echo '0 13 * * * /srv/settle.sh' | crontab -u deploy -")
		// The window's clock has left that minute behind; cron goes by the kernel's.
		s.clock("batch-1", time.Now().Add(2*time.Hour).Format(time.RFC3339))
		if now := time.Now().UTC().Add(2 * time.Hour); now.Hour() == 3 || now.Hour() == 4 { // 13:00 in Seoul is 04:00
			s.clock("batch-1", time.Now().Add(5*time.Hour).Format(time.RFC3339))
		}
		r := s.amid(points, "3", func() {
			_, _ = batch.Try("date -d @$(($(date +%s) + 62)) '+%M %H * * * /srv/long.sh' | crontab -u deploy -")
			for range 120 { // cron begins a job at the full minute
				if out, _ := batch.Try("pgrep -f '[/]srv/long.sh'"); out != "" {
					return
				}
				time.Sleep(time.Second)
			}
		})
		s.held(r, "2", `"/srv/long.sh" \(of cron, pid \d+\) runs on batch-1 since`)
		s.gate(3, `"/srv/long.sh" \(of cron, pid \d+\) runs on batch-1 since`)
		batch.Exec("crontab -u deploy -r; pkill -f '[/]srv/long.sh'; pkill -f '[s]leep 1000'; true")
		s.deploy("3", "-wait-window=1m") // cron takes a moment to notice
		if s.programOf("2") {
			t.Error("the old one was not stopped when the window was open")
		}
	})
	t.Run("process", func(t *testing.T) {
		s := s.with(t)
		s.write("main.hcl", base+source("process {\n    hosts = [host.batch-1]\n    match = \"sleep 4321\"\n  }"))
		s.gate(0)
		batch.Exec("setsid sleep 4321 >/dev/null 2>&1 </dev/null & echo started")
		s.gate(3, `sleep 4321 \(pid \d+\) runs on batch-1 since`)
		batch.Exec("pkill -f '[s]leep 4321'")
		s.gate(0)
	})
	t.Run("unreachable", func(t *testing.T) {
		s := s.with(t)
		batch.Partition()
		r := s.run("gate", "-timeout=5s")
		s.has(r.out, `closed: the clock of batch-1 could not be read: could not ask`)
		if r.code != 3 {
			t.Errorf("gate: exit %d", r.code)
		}
		batch.Heal()
	})
}

// launched is a window on jobs that have launchers, on a machine of their own.
const launched = `
release "settlement" {
  hosts   = [host.batch-1]
  root    = "/srv/settlement"
  source  = "build/settlement"
  version = "1"
}

batch "settlement" {
  release = release.settlement

  job "close" {
    command   = ["sh", "close.sh"]
    schedule  = "0 13 * * *"
    time_zone = "Asia/Seoul"
  }

  job "night" { # by the machine's clock
    command  = ["sh", "close.sh"]
    schedule = "30 2 * * *"
  }
}

batch_window "settlement" {
  before = "20m"
  jobs   = [batch.settlement]
}
`

// TestWindowLauncher: a job that its launcher started closes the window, and none starts while a slot is being stopped.
func TestWindowLauncher(t *testing.T) {
	t.Parallel()
	s := newWindow(t, []string{"box-1", "batch-1"}, launched)
	if err := os.MkdirAll(filepath.Join(s.dir, "build/settlement"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The job takes long only where it is told to. What it sees of the old version is in its output.
	s.write("build/settlement/close.sh", "echo began; [ ! -e /run/long ] || sleep 1100; echo ended\n")
	batch := s.m("batch-1")
	batch.Exec("ln -sfn /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
	for _, m := range []string{"box-1", "batch-1"} {
		s.clock(m, "2026-03-02T12:00:00+09:00")
	}
	s.deploy("1")
	s.settled("1")
	s.has(s.ok("plan", "-var", "version=2"), `stop blue .*window settlement`)
	if out := s.ok("plan", "-var", "version=2"); strings.Contains(out, "advisory") {
		t.Error("launchers are called advisory")
	}
	t.Run("runs", func(t *testing.T) {
		s := s.with(t)
		batch.Exec("touch /run/long; setsid /srv/settlement/jobs/close >/run/out 2>&1 </dev/null &")
		for range 1200 {
			if out, _ := batch.Try("cat /run/out"); strings.Contains(out, "began") {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		s.gate(3, `close runs on batch-1 since`)
		if r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2"); r.code != 3 || live(s, "box-1") != "1" {
			t.Errorf("apply: exit %d", r.code)
		}
		// It goes on running, and is no reason to wait for ever: others wait for the stop all the same.
		r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2", "-force-window=the audit waits")
		if r.code != 0 || live(s, "box-1") != "2" || s.programOf("1") {
			t.Errorf("forced: exit %d, or the old one runs", r.code)
		}
		s.has(r.out, `Forced, for this reason: the audit waits`, `not all jobs on batch-1 are kept from what is stopped: (?s:.*)still running after 30 s: close`)
		if out := batch.Exec("ls -A /srv/settlement/jobs/.state"); strings.Contains(out, ".hold") || strings.Contains(r.out, "start meanwhile") {
			t.Errorf("jobs were not held, or still are: %s", out)
		}
		batch.Exec("rm /run/long; pkill -f '[s]leep 1100'; true")
	})
	t.Run("soon", func(t *testing.T) {
		s := s.with(t)
		for _, c := range []struct {
			now  string
			code int
			says string
		}{
			{"2026-03-02T12:38:00+09:00", 0, `close on batch-1 starts at 2026-03-02T13:00:00\+09:00`},
			{"2026-03-02T12:41:00+09:00", 3, `close on batch-1 starts at 2026-03-02T13:00:00\+09:00, in 19m`},
			{"2026-03-29T01:41:00+01:00", 0, `close on batch-1 starts at 2026-03-29T13:00:00\+09:00`}, // half past two is left out
			{"2026-03-30T02:11:00+02:00", 3, `night on batch-1 starts at 2026-03-30T02:30:00\+02:00, in 19m`},
			{"2026-10-25T02:11:00+02:00", 3, `night on batch-1 starts at 2026-10-25T02:30:00\+02:00, in 19m`},
			{"2026-10-25T02:33:00+02:00", 0, `night on batch-1 starts at 2026-10-25T02:30:00\+01:00`},
			{"2026-10-25T02:11:00+01:00", 3, `night on batch-1 starts at 2026-10-25T02:30:00\+01:00, in 19m`},
		} {
			s.clock("batch-1", c.now)
			s.gate(c.code, c.says)
		}
		s.clock("batch-1", "2026-03-02T12:00:00+09:00")
	})
	t.Run("starts again and again", func(t *testing.T) {
		s := s.with(t)
		// Every start while the old slot is stopped waits; none is refused, and each ends.
		batch.WriteFile("/run/starts", "while [ ! -e /run/enough ]; do /srv/settlement/jobs/close; echo \"status $?\"; sleep 0.2; done\necho all >/run/over\n", 0o644)
		batch.Exec("rm -f /run/out /run/over; setsid sh /run/starts >/run/out 2>&1 </dev/null &")
		var r result
		for range 10 { // one that begins while the windows are judged closes them: it is told apart, and tried again
			if r = s.run("apply", "-auto-approve", "-detailed-exitcode", "-var", "version=3", "-wait-window=1m"); r.code == 0 {
				break
			}
			if r.code != 3 && r.code != 7 {
				t.Fatalf("exit %d", r.code)
			}
		}
		batch.Exec("touch /run/enough")
		awaitFile(t, batch, "/run/over", time.Minute)
		out := batch.Exec("cat /run/out; ls -A /srv/settlement/jobs/.state")
		if r.code != 0 || strings.Count(out, "began") != strings.Count(out, "ended") || strings.Contains(out, ".hold") || !strings.Contains(out, "status 0") {
			t.Errorf("exit %d; %d began, %d ended\n%s", r.code, strings.Count(out, "began"), strings.Count(out, "ended"), out[max(0, len(out)-500):])
		}
	})
}
