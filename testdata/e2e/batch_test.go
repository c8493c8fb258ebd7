package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// S0: a release with jobs, and no service.
const batch = `
shipctl {
  project = "settlement"
}

variable "version" {
  type    = string
  default = null
}

release "settlement" {
  hosts   = hosts_with({ role = "batch" })
  root    = "/srv/settlement"
  source  = "build/batch-${coalesce(var.version, "live")}"
  version = var.version

  retention {
    keep = 2
  }
}

batch "settlement" {
  release = release.settlement
  run_as  = "batch"

  job "every-second" {
    command     = ["sh", "lib/job.sh", "5"]
    concurrency = "allow"
  }
  job "long" {
    command = ["sh", "lib/job.sh", "180"]
  }
}
`

// job reads a file of its release a line at a time, each in a process of its own and by a path relative to where it was
// started, and says which releases it saw. Each line was a file that had not been read before.
const job = `n=0
seen=
while [ "$n" -lt "$1" ]; do
	n=$((n + 1))
	v=$(cat "parts/$((n % 10))" 2>&1) || { echo "part $n: $v"; exit 3; }
	. "./lib/version.sh" || exit 4
	case " $seen " in *" $v$VERSION "*) ;; *) seen="$seen $v$VERSION" ;; esac
	sleep 1
done
echo "$SHIPCTL_RELEASE saw$seen in $(basename "$(pwd -P)")"
`

// batchArtifact makes build/batch-VERSION: a job, and files that say which version they belong to.
func (s *site) batchArtifact(version string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "build", "batch-"+version)
	files := map[string]string{"lib/job.sh": job, "lib/version.sh": "VERSION=" + version + "\n"}
	for i := range 10 {
		files["parts/"+strconv.Itoa(i)] = version + "\n"
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

func newBatch(t *testing.T, versions int) (*site, *fleet.Machine) {
	t.Helper()
	s := newSite(t, []string{"batch-1"}, batch)
	m := s.m("batch-1")
	m.Exec("useradd --system batch")
	for v := 1; v <= versions; v++ {
		s.batchArtifact(strconv.Itoa(v))
	}
	return s, m
}

// every starts a job each second in the background, until the file stop is there. Each run leaves its output, its errors
// and its exit status.
const every = `mkdir -p /tmp/runs; rm -f /tmp/stop
nohup sh -c 'n=0
while [ ! -e /tmp/stop ]; do
	n=$((n + 1))
	(/srv/settlement/jobs/every-second >/tmp/runs/$n.out 2>/tmp/runs/$n.err; echo $? >/tmp/runs/$n.status) &
	sleep 1
done
wait
echo $n >/tmp/runs/all' >/dev/null 2>&1 </dev/null &`

// awaitFile polls for a file on a machine and gives what is in it.
func awaitFile(t *testing.T, m *fleet.Machine, name string, limit time.Duration) string {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		if out, err := m.Try("cat " + name); err == nil && out != "" {
			return strings.TrimSpace(out)
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %s", name, limit)
		}
	}
}

// TestBatch is S0: jobs each second, of 5 s each, and one that spans all of it, while ten releases are deployed of which
// two are kept. No run fails, each sees one release from start to end; the long one, of three minutes, ends on its release,
// which goes with the first deployment after it.
func TestBatch(t *testing.T) {
	t.Parallel()
	s, m := newBatch(t, 12)
	s.deploy("1")
	s.settled("1")
	m.Exec(`nohup sh -c '/srv/settlement/jobs/long >/tmp/long.out 2>/tmp/long.err; echo $? >/tmp/long.status' >/dev/null 2>&1 </dev/null &`)
	begun := time.Now()
	m.Exec(every)
	for v := 2; v <= 11; v++ {
		out := s.deploy(strconv.Itoa(v))
		if v > 4 && !strings.Contains(out, "kept 1: in use by process") {
			t.Errorf("deployment %d does not say that release 1 stays", v)
		}
	}
	t.Logf("ten deployments took %s", time.Since(begun))
	if _, err := m.Try("test -e /tmp/long.status"); err == nil {
		t.Fatalf("the long job ended before the last of ten deployments")
	}
	s.has(s.ok("status"), `batch\.settlement +batch-1 +long +running +1 `)
	m.Exec("test -d /srv/settlement/releases/1")
	awaitFile(t, m, "/tmp/runs/20.status", 2*time.Minute)
	m.Exec("touch /tmp/stop")
	wholeRuns(t, m, awaitFile(t, m, "/tmp/runs/all", time.Minute))
	if got := awaitFile(t, m, "/tmp/long.status", 6*time.Minute); got != "0" {
		t.Errorf("the long job ended with %s: %s %s", got, m.Exec("cat /tmp/long.out"), m.Exec("cat /tmp/long.err"))
	}
	if got := strings.TrimSpace(m.Exec("cat /tmp/long.out")); got != "1 saw 11 in 1" {
		t.Errorf("the long job: %q", got)
	}
	m.Exec("test -d /srv/settlement/releases/1")
	s.has(s.deploy("12"), `removed 1\b`)
	m.Exec("test ! -e /srv/settlement/releases/1")
	s.settled("12")
	// Each second of theirs is a bit longer, by what starts in it.
	s.has(s.ok("status"), `every-second +idle.* exit 0 \(([5-9]\.|[12]\ds)`, `long +idle .* exit 0 \([3-5]m`)
}

// wholeRuns: all ended well, said nothing on standard error, and saw one release.
func wholeRuns(t *testing.T, m *fleet.Machine, all string) {
	t.Helper()
	n, err := strconv.Atoi(all)
	if err != nil || n < 20 {
		t.Fatalf("%q runs", all)
	}
	if bad := m.Exec(`cd /tmp/runs; cat *.err; grep -Lx 0 *.status; ls *.status | wc -l`); strings.TrimSpace(bad) != all {
		t.Errorf("of %s runs:\n%s", all, bad)
	}
	releases := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(m.Exec("cat /tmp/runs/*.out")), "\n") {
		f := strings.Fields(line)
		if len(f) != 5 || f[2] != f[0]+f[0] || f[4] != f[0] {
			t.Errorf("a run saw more than one release: %q", line)
			continue
		}
		releases[f[0]] = true
	}
	t.Logf("%d runs saw %d releases", n, len(releases))
	if len(releases) < 5 {
		t.Errorf("%d runs saw %d releases only: the deployments were not among them", n, len(releases))
	}
}

// TestLauncherOnMachine: who may start it, what it passes on, and what can't stop it: a full and an unreadable state
// directory, and its own death.
func TestLauncherOnMachine(t *testing.T) {
	t.Parallel()
	s, m := newBatch(t, 1)
	s.deploy("1")
	launcher := "/srv/settlement/jobs/long"
	edit := fmt.Sprintf(`sed -i '/^# the command$/,/^# end of the command$/s/^\texec .*/\texec sh -c '\''id -un; echo $HOME; echo oops >\&2; exit 7'\''/' %s`, launcher)
	t.Run("edited by hand", func(t *testing.T) {
		s := s.with(t)
		m.Exec(edit)
		s.has(s.ok("plan"), `~ job long \(its launcher was edited by hand\)`)
		s.has(s.fails(2, "drift"), `batch\.settlement\["batch-1"\]: .*job long \(its launcher was edited by hand\)`)
	})
	t.Run("streams", func(t *testing.T) {
		got := m.Exec("rm -f /tmp/o /tmp/e; " + launcher + " >/tmp/o 2>/tmp/e; echo exit $?; cat /tmp/o; echo --; cat /tmp/e")
		if got != "exit 7\nbatch\n/home/batch\n--\noops\n" {
			t.Errorf("%q", got)
		}
	})
	for _, tt := range []struct{ name, as, want string }{
		{"as root", "sh -c", "batch\n/home/batch\noops\nexit 7\n"},
		{"as batch", "setpriv --reuid=batch --regid=batch --clear-groups env HOME=/tmp sh -c", "batch\n/tmp\noops\nexit 7\n"},
		{"as another", "setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c", "shipctl: job long: runs as batch, and was started by nobody: start it as batch or as root\nexit 77\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := m.Exec(tt.as + " '" + launcher + "' 2>&1; echo exit $?"); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
	t.Run("full", func(t *testing.T) {
		m.Exec("cp -a /srv/settlement/jobs/.state/. /tmp/state && mount -t tmpfs -o size=64k tmpfs /srv/settlement/jobs/.state && cp -a /tmp/state/. /srv/settlement/jobs/.state && rm -f /srv/settlement/jobs/.state/long/runs && install -o batch /dev/null /srv/settlement/jobs/.state/long/runs; cat /dev/zero >/srv/settlement/jobs/.state/fill 2>/dev/null; :")
		defer m.Exec("umount /srv/settlement/jobs/.state")
		if got := m.Exec(launcher + " 2>/tmp/e; echo exit $?; cat /tmp/e"); !strings.HasPrefix(got, "batch\n/home/batch\nexit 7\n") || !strings.Contains(got, "could not record") {
			t.Errorf("%q\n%s", got, m.Exec("df /srv/settlement/jobs/.state; ls -laR /srv/settlement/jobs/.state"))
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		m.Exec("chmod 700 /srv/settlement/jobs/.state")
		defer m.Exec("chmod 755 /srv/settlement/jobs/.state")
		// The start is recorded while the job runs already: what each of them says is looked at on its own.
		got := m.Exec(launcher + " 2>/tmp/e; echo exit $?; cat /tmp/e")
		if !strings.HasPrefix(got, "batch\n/home/batch\nexit 7\n") || !strings.Contains(got, "runs without a lock") || !strings.Contains(got, "could not record") || !strings.Contains(got, "oops\n") {
			t.Errorf("%q", got)
		}
	})
	t.Run("put right", func(t *testing.T) {
		s := s.with(t)
		s.deploy("1")
		s.settled("1")
	})
	t.Run("removed by hand", func(t *testing.T) {
		s := s.with(t)
		m.Exec("rm " + launcher)
		s.has(s.fails(2, "drift"), `batch\.settlement\["batch-1"\]: .*job long \(its launcher was removed by hand\)`)
		s.deploy("1")
		s.settled("1")
	})
	begun := func(t *testing.T) (pid string) {
		t.Helper()
		// What an earlier one has left behind still counts as that run.
		m.Exec("flock -w 20 -x /srv/settlement/jobs/.state/long.turn true; rm -f /tmp/begun.status; nohup sh -c '" + launcher + " >/tmp/begun.out 2>&1 </dev/null; echo $? >/tmp/begun.status' >/dev/null 2>&1 </dev/null &")
		for range 600 {
			out, _ := m.Try("tail -n 1 /srv/settlement/jobs/.state/long/runs")
			if f := strings.Fields(out); len(f) == 4 && f[0] == "start" {
				return f[2]
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatal("the job did not begin")
		return ""
	}
	t.Run("told to end", func(t *testing.T) {
		pid := begun(t)
		m.Exec("kill -TERM $(ps -o ppid= -p " + pid + ")")
		if got := awaitFile(t, m, "/tmp/begun.status", 20*time.Second); got != "143" {
			t.Errorf("the launcher ended with %s", got)
		}
		if out, err := m.Try("ps -o stat=,args= -p " + pid); err == nil {
			t.Errorf("the job goes on: %s", out)
		}
	})
	t.Run("killed", func(t *testing.T) {
		s := s.with(t)
		pid := begun(t)
		m.Exec("kill -9 $(ps -o ppid= -p " + pid + ")")
		s.has(s.ok("status"), `long +running +1 +`+pid+` `)
		if got := m.Exec(launcher + " 2>&1; echo exit $?"); !strings.Contains(got, "runs already") || !strings.Contains(got, "exit 75") {
			t.Errorf("a second one: %q", got)
		}
		// A child that it starts in this very moment has the lock for its second.
		m.Exec("kill " + pid + "; flock -w 20 -x /srv/settlement/jobs/.state/long.lock true")
		s.has(s.ok("status"), `long +idle `)
	})
}

// TestBatchExample applies the example as it stands: only the address and keys are given. A job's launcher goes with it.
func TestBatchExample(t *testing.T) {
	t.Parallel()
	f := fleet.Up(t, "batch-1")
	m := f.Machine("batch-1")
	m.Exec("useradd --system batch")
	s := &site{t: t, fleet: f, dir: t.TempDir()}
	copyFile(t, "../../examples/batch/main.hcl", filepath.Join(s.dir, "main.hcl"))
	s.write("machines.hclvars", fmt.Sprintf("address = %q\nidentity_file = %q\nknown_hosts = %q\n", m.Addr, f.KeyFile, f.KnownHosts))
	s.env = []string{"SHIPCTL_CLI_ARGS=-var-file=machines.hclvars"}
	if err := os.MkdirAll(filepath.Join(s.dir, "build", "settlement-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("build/settlement-1/close.sh", "echo \"$TZ $SHIPCTL_RELEASE $*\"\n")
	s.deploy("1")
	s.settled("1")
	if got := m.Exec("/srv/settlement/jobs/close; /srv/settlement/jobs/report today"); got != "Asia/Seoul 1 \nAsia/Seoul 1 --report today\n" {
		t.Errorf("%q", got)
	}
	s.has(s.ok("status"), `close +idle .* exit 0 `, `report +idle .* exit 0 `)
	// Back: with the commands and the environment of then. That the version is given or not is no other state.
	s.write("main.hcl", strings.Replace(s.read("main.hcl"), "\"Asia/Seoul\" }", "\"UTC\" }", 1))
	if err := os.MkdirAll(filepath.Join(s.dir, "build", "settlement-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("build/settlement-2/close.sh", "echo \"new $TZ $SHIPCTL_RELEASE $*\"\n")
	s.deploy("2")
	for _, flags := range [][]string{nil, {"-var", "version=2"}, nil} {
		s.has(s.ok(append([]string{"apply", "-auto-approve"}, flags...)...), `No changes\.`)
	}
	s.ok("rollback", "-auto-approve")
	if got := m.Exec("/srv/settlement/jobs/close; /srv/settlement/jobs/report today"); got != "Asia/Seoul 1 \nAsia/Seoul 1 --report today\n" {
		t.Errorf("after the rollback: %q", got)
	}
	s.has(s.ok("plan"), `is held at release 1`, `No changes\.`)
	if n := strings.Count(s.ok("history", "-json", "-limit=0"), `"began"`); n != 3 {
		t.Errorf("%d runs in the history, want 3", n)
	}
}
