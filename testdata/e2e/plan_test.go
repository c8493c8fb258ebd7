package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// snapshots are those of all machines.
func (s *site) snapshots() map[string]fleet.Snapshot {
	out := map[string]fleet.Snapshot{}
	for _, m := range s.fleet.Machines {
		out[m.Name] = m.Snapshot()
	}
	return out
}

// untouched fails the test where a machine differs from its snapshot. What may differ is listed in fleet.Ignored.
func (s *site) untouched(before map[string]fleet.Snapshot) {
	s.t.Helper()
	for _, m := range s.fleet.Machines {
		if d := before[m.Name].Diff(m.Snapshot()); len(d) > 0 {
			s.t.Errorf("%s has changed:\n%s", m.Name, strings.Join(d, "\n"))
		}
	}
}

// TestPlanChangesNothing: the overlays, the processes and nginx's workers are the same before and after.
func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, service(`variable = "service_url"`, program()))
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
		s.m(w).Exec("rm -rf /var/lib/nginx /var/log/nginx/*") // what nginx -t would make
	}
	unchanged := func(name string, code int, args ...string) {
		t.Run(name, func(t *testing.T) {
			s := s.with(t)
			before := s.snapshots()
			workers := map[string]string{}
			for _, w := range webs {
				workers[w] = s.nginxState(w)
			}
			s.fails(code, append([]string{"plan", "-detailed-exitcode"}, args...)...)
			s.untouched(before)
			for _, w := range webs {
				if now := s.nginxState(w); now != workers[w] {
					t.Errorf("%s: nginx was\n%s\nand is\n%s", w, workers[w], now)
				}
			}
		})
	}
	// The first login makes files of its own on a machine.
	for _, m := range s.fleet.Machines {
		if _, err := m.SSH("deploy", "sudo -n true"); err != nil {
			t.Fatal(err)
		}
	}
	// With nginx down, its own folders gone too: they are not in the list of what may differ then.
	unchanged("nothing there yet", 2, "-var", "version=1")
	for _, w := range webs {
		if out := s.m(w).Exec("ls -d /var/lib/nginx /var/log/nginx/* /run/nginx.pid 2>/dev/null; true"); out != "" {
			t.Errorf("%s: the plan made %s", w, out)
		}
		s.m(w).Exec("mkdir -p /var/lib/nginx")
	}
	s.deploy("1")
	unchanged("no changes", 0, "-var", "version=1")
	unchanged("changes", 2, "-var", "version=2")
	unchanged("saved", 2, "-var", "version=2", "-out", "plan.json")
	unchanged("json", 2, "-var", "version=3", "-json")
	s.m("app-1").Exec("systemctl kill -s STOP shipctl-teatime-teatime-blue.service")
	unchanged("program hangs", 2, "-var", "version=2")
	s.m("app-1").Exec("systemctl kill -s CONT shipctl-teatime-teatime-blue.service")
	s.m("web-1").Exec("systemctl stop nginx")
	unchanged("nginx down", 2, "-var", "version=1")
	s.m("web-2").Exec("echo 'garbage' >/etc/nginx/conf.d/garbage.conf")
	unchanged("nginx broken", 1, "-var", "version=2")
}

// several is a configuration with n services of n releases on the same machines.
func several(n int) string {
	var b strings.Builder
	for i := range n {
		name, port := fmt.Sprintf("s%d", i), 8100+10*i
		hcl := service(`variable = "`+name+`_url"`, program())
		if i > 0 {
			_, hcl, _ = strings.Cut(hcl, "\nrelease ")
			hcl = "\nrelease " + hcl
		}
		b.WriteString(strings.NewReplacer(
			`"teatime" {`, fmt.Sprintf("%q {", name), "release.teatime", "release."+name, "/srv/teatime", "/srv/"+name,
			"8081", fmt.Sprint(port), "8082", fmt.Sprint(port+1), include, "/etc/nginx/conf.d/"+name+".inc",
			"http://127.0.0.1/", fmt.Sprintf("http://127.0.0.1:%d/", port),
		).Replace(hcl))
	}
	return b.String()
}

// sites are servers for several's services, with includes that somebody wrote.
func (s *site) sites(n int) {
	for _, w := range webs {
		var b strings.Builder
		for i := range n {
			name := fmt.Sprintf("s%d", i)
			inc := "/etc/nginx/conf.d/" + name + ".inc"
			if _, err := s.m(w).Try("test -e " + inc); err != nil {
				s.m(w).WriteFile(inc, fleet.SetVariable(name+"_url", fmt.Sprintf("%s:%d", s.m("app-1").Addr, 8100+10*i)), 0o644)
			}
			site := fleet.SiteVariable(inc, name+"_url")
			b.WriteString(strings.Replace(site, "listen 80 default_server", fmt.Sprintf("listen %d", 8100+10*i), 1))
		}
		s.m(w).WriteSite(b.String())
	}
}

// What all facts of a machine may cost of its processor time, besides a login with sudo, and among how many processes. On a machine
// that is so slow that a login costs more than that they may cost nine tenths of it.
const (
	budget  = 60 * time.Millisecond
	crowded = 150
)

// TestPlanCost: one connection and one command for each machine, however many resources there are, and little of a busy
// machine's processor time.
func TestPlanCost(t *testing.T) {
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, several(1))
	for _, n := range []int{1, 5} {
		t.Run(fmt.Sprintf("%d services", n), func(t *testing.T) {
			s := s.with(t)
			s.write("main.hcl", several(n))
			s.sites(n)
			s.deploy("1", "-allow-pending-nginx")
			s.settled("1")
			marks := map[string]fleet.Mark{}
			for _, m := range s.fleet.Machines {
				marks[m.Name] = m.Mark()
			}
			s.ok("plan", "-var", "version=2")
			for _, m := range s.fleet.Machines {
				got := m.Served(marks[m.Name])
				t.Logf("%s: %d connections, %d logins, %d commands: %v", m.Name, got.Connections, got.Logins, got.Commands, got.Sessions)
				if got.Connections != 1 || got.Logins != 1 || got.Commands != 1 {
					t.Errorf("%s: %d connections, %d logins, %d commands for one plan\n%s", m.Name, got.Connections, got.Logins, got.Commands, got.Log)
				}
			}
		})
		t.Run(fmt.Sprintf("processor time, %d services", n), func(t *testing.T) {
			s := s.with(t)
			s.write("main.hcl", several(n))
			if n == 1 {
				for _, m := range s.fleet.Machines {
					m.Exec(crowd)
				}
			}
			for _, m := range s.fleet.Machines {
				if got, err := strconv.Atoi(strings.TrimSpace(m.Exec("ls -d /proc/[0-9]* | wc -l"))); err != nil || got < crowded {
					t.Errorf("%s: %d processes (%v), fewer than %d", m.Name, got, err, crowded)
				}
			}
			for name, over := range s.factsCost() {
				if over > 0 {
					t.Errorf("%s: the facts cost %s of processor time more than they may", name, ms(over))
				}
			}
		})
	}
}

// factsCost is by how much a plan costs each machine more, besides the login, than it may. Whatever else runs on this one makes
// it dearer, by its caches and its clock, and never cheaper: the least of three measurements counts, where the first is too dear.
func (s *site) factsCost() map[string]time.Duration {
	s.t.Helper()
	least := map[string]time.Duration{}
	for range 3 {
		floor, plan := s.cost(9)
		dear := false
		for _, m := range s.fleet.Machines {
			facts, may := plan[m.Name]-floor[m.Name], max(budget, floor[m.Name]*9/10)
			s.t.Logf("%s: a plan costs %s, a login and sudo alone %s: the facts %s, %s at most", m.Name, ms(plan[m.Name]), ms(floor[m.Name]), ms(facts), ms(may))
			if was, ok := least[m.Name]; !ok || facts-may < was {
				least[m.Name] = facts - may
			}
			dear = dear || least[m.Name] > 0
		}
		if !dear {
			break
		}
	}
	return least
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// crowd starts 150 processes: shells with their sleeps, some of them with many open files and sockets.
const crowd = `for i in $(seq 50); do
	setsid sh -c 'sleep 9999; :' >/dev/null 2>&1 </dev/null &
done
for i in $(seq 40); do
	setsid sleep 9999 >/dev/null 2>&1 </dev/null &
done
for i in $(seq 10); do
	setsid python3 -c 'import socket,time
fs=[open("/etc/passwd") for _ in range(200)]
ss=[socket.socket() for _ in range(100)]
time.sleep(9999)' >/dev/null 2>&1 </dev/null &
done
for i in $(seq 200); do [ $(ls -d /proc/[0-9]* | wc -l) -lt 150 ] || break; sleep 0.05; done
sleep 1` // python's own start is not a plan's cost

// cost measures, alternating, what a login with sudo costs a machine, and what a plan does: the medians.
func (s *site) cost(rounds int) (floor, plan map[string]time.Duration) {
	s.t.Helper()
	bare, whole := map[string][]time.Duration{}, map[string][]time.Duration{}
	measure := func(into map[string][]time.Duration, do func()) {
		before := map[string]time.Duration{}
		for _, m := range s.fleet.Machines {
			before[m.Name] = m.CPU()
		}
		do()
		s.quiet()
		for _, m := range s.fleet.Machines {
			into[m.Name] = append(into[m.Name], m.CPU()-before[m.Name])
		}
	}
	for range rounds {
		measure(bare, func() {
			for _, m := range s.fleet.Machines {
				if err := s.login(m); err != nil {
					s.t.Fatalf("%s: %v", m.Name, err)
				}
			}
		})
		measure(whole, func() { s.ok("plan", "-var", "version=2", "-compact") })
	}
	median := func(all map[string][]time.Duration) map[string]time.Duration {
		out := map[string]time.Duration{}
		for name, ds := range all {
			slices.Sort(ds)
			out[name] = ds[len(ds)/2]
		}
		return out
	}
	return median(bare), median(whole)
}

// login is a plan's connection without its script: by the same SSH client, whose key exchange costs the machine less than
// OpenSSH's.
func (s *site) login(m *fleet.Machine) error {
	raw, err := os.ReadFile(s.fleet.KeyFile)
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(raw)
	if err != nil {
		return err
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(m.HostKey("ssh-ed25519")))
	if err != nil {
		return err
	}
	c, err := ssh.Dial("tcp", m.Addr+":22", &ssh.ClientConfig{
		User: "deploy", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, Timeout: 10 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(host), HostKeyAlgorithms: []string{host.Type()},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	session, err := c.NewSession()
	if err != nil {
		return err
	}
	session.Stdin = strings.NewReader("true\n")
	return session.Run("sudo -n sh -s")
}

// quiet returns when no machine has a session left and none used its processor for a while.
func (s *site) quiet() {
	s.t.Helper()
	for range 100 {
		before := time.Duration(0)
		for _, m := range s.fleet.Machines {
			before += m.CPU()
		}
		time.Sleep(60 * time.Millisecond) // nothing tells when a machine has become idle
		after := time.Duration(0)
		for _, m := range s.fleet.Machines {
			after += m.CPU()
		}
		if after-before < 500*time.Microsecond {
			return
		}
	}
	s.t.Error("the machines do not become idle")
}
