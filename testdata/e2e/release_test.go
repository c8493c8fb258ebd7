package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// siteAlone is a static site: a release by itself, behind an nginx whose root is current.
func siteAlone(source, more string) string {
	return fmt.Sprintf(`
shipctl {
  project = "site"
}

variable "version" {
  type    = string
  default = null
}

release "site" {
  hosts   = hosts_with({ role = "web" })
  root    = "/srv/site"
  source  = "%s"
  version = var.version
  %s
}
`, source, more)
}

const rootIsCurrent = "server {\n\tlisten 80 default_server;\n\troot /srv/site/current;\n}\n"

// page writes a site of a version into build/site-VERSION.
func (s *site) page(version string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "build", "site-"+version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("version "+version+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) reads(machine, want string) {
	s.t.Helper()
	if got := s.m(machine).Exec("curl -sS http://127.0.0.1/index.html"); strings.TrimSpace(got) != want {
		s.t.Errorf("%s serves %q, want %q", machine, got, want)
	}
}

// TestReleaseAlone: a static site with commands around its activation, on two machines: the order of things, a command
// that fails before, one that fails after (the link goes back, the command is told), and what is due after a run that was
// cut off.
func TestReleaseAlone(t *testing.T) {
	t.Parallel()
	const source = "build/site-${coalesce(var.version, \"live\")}"
	hcl := siteAlone(source, `
  before_activate "check" {
    command = ["sh", "-c", "echo checking $SHIPCTL_RELEASE in $PWD; ! test -e /tmp/refuse"]
    timeout = "20s"
    run_as  = "www-data"
  }
  after_activate "reload" {
    command = ["sh", "-c", "echo \"$SHIPCTL_RELEASE $SHIPCTL_UNDO $(readlink /srv/site/current)\" >>/tmp/reloaded; ! test -e /tmp/broken || test -n \"$SHIPCTL_UNDO\""]
  }
  retention {
    keep = 2
  }`)
	s := newSite(t, []string{"web-1", "web-2"}, "")
	s.write("main.hcl", hcl)
	for _, w := range webs {
		s.m(w).WriteSite(rootIsCurrent)
		s.m(w).Exec("mkdir -p /srv/site && systemctl reload-or-restart nginx")
	}
	for v := 1; v <= 5; v++ {
		s.page(fmt.Sprint(v))
	}
	s.has(s.deploy("1"), `run check`, `checking 1 in /srv/site/releases/1`, `run reload`)
	s.deploy("2")
	s.settled("2")
	s.reads("web-1", "version 2")

	// Before: nothing moves anywhere.
	s.m("web-2").Exec("touch /tmp/refuse")
	s.has(s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version=3"), `check failed with exit status 1`)
	s.reads("web-1", "version 2")
	s.reads("web-2", "version 2")
	s.m("web-2").Exec("rm /tmp/refuse")

	// After: both links go back, and the command runs again in what is live then.
	s.m("web-2").Exec("touch /tmp/broken")
	s.m("web-1").Exec(": >/tmp/reloaded")
	s.has(s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version=3"), `reload failed with exit status 1`)
	for _, w := range webs {
		s.reads(w, "version 2")
		s.has(s.m(w).Exec("tail -n 1 /tmp/reloaded"), `^2 3 /srv/site/releases/2\n$`)
	}
	s.m("web-2").Exec("rm /tmp/broken")

	// Cut off between the activation and its command: the next plan has the command, with the version and without.
	s.deploy("3")
	s.m("web-1").Exec(`f=$(ls -d /var/lib/shipctl/projects/site/releases/*); echo "3 reload" >$f/.after; : >/tmp/reloaded`)
	s.has(s.ok("plan"), `run reload`, `1 to change`)
	s.deploy("3")
	s.has(s.m("web-1").Exec("cat /tmp/reloaded"), `^3  /srv/site/releases/3\n$`)
	s.settled("3")

	// Retention by outcome, and back without the artifact.
	s.deploy("4")
	if err := os.RemoveAll(filepath.Join(s.dir, "build", "site-3")); err != nil {
		t.Fatal(err)
	}
	s.deploy("3")
	s.reads("web-2", "version 3")
	s.settled("3")
	s.has(s.m("web-1").Exec("ls /srv/site/releases"), `^3\n4\n$`)
	s.has(s.ok("status"), `release.site +web-1 +- +live +3 `)

	// A real directory in the way of current.
	s.m("web-1").Exec("rm /srv/site/current; mkdir /srv/site/current")
	s.has(s.fails(1, "plan", "-var", "version=5"), `is a directory, not a symbolic link: it was made by hand`)
}

// TestRetentionOnMachine: what stays follows what was published and what became of it, whatever the directories are called
// and whenever they seem to have been changed; back on the oldest release, the live one stays.
func TestRetentionOnMachine(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"web-1"}, siteAlone("build/site-${coalesce(var.version, \"live\")}", `
  before_activate "check" {
    command = ["sh", "-c", "! test -e /tmp/refuse"]
  }
  retention {
    keep        = 2
    keep_failed = 1
  }`))
	m := s.m("web-1")
	m.WriteSite(rootIsCurrent)
	m.Exec("mkdir -p /srv/site && systemctl reload-or-restart nginx")
	random := rand.New(rand.NewPCG(7, 11))
	left := func(live string, want ...string) {
		t.Helper()
		if got := strings.Fields(m.Exec("ls /srv/site/releases")); !slices.Equal(got, want) {
			t.Errorf("with %s live there are %v, want %v", live, got, want)
		}
		s.reads("web-1", "version "+live)
		for _, id := range want { // nothing may follow from these
			m.Exec(fmt.Sprintf("touch -d @%d /srv/site/releases/%s", random.IntN(2_000_000_000), id))
		}
	}
	for _, v := range []string{"zulu", "10", "9", "bad", "worse", "alpha", "M"} {
		s.page(v)
	}
	s.deploy("zulu")
	left("zulu", "zulu")
	s.deploy("10")
	left("10", "10", "zulu")
	s.deploy("9")
	left("9", "10", "9")
	s.ok("rollback", "-auto-approve")
	left("10", "10", "9") // the oldest that is there
	m.Exec("touch /tmp/refuse")
	for _, bad := range []string{"bad", "worse"} {
		s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-clear-hold", "-var", "version="+bad)
	}
	left("10", "10", "9", "bad", "worse")
	m.Exec("rm /tmp/refuse")
	out := s.ok("apply", "-auto-approve", "-clear-hold", "-var", "version=alpha")
	s.has(out, `removed bad`)
	left("alpha", "10", "9", "alpha", "worse") // 10 was live before, 9 is one of the newest two that worked
	s.has(s.deploy("M"), `removed 10`, `removed 9`)
	left("M", "M", "alpha", "worse")
	s.settled("M")
}

// reader reads current a hundred thousand times at least, and until it is told to stop: through the link and the link itself.
const reader = `import os, sys
n = 0
while n < 100000 or not os.path.exists("/tmp/stop"):
    n += 1
    try:
        if n % 2:
            got = open("/srv/site/current/index.html").read()
            good = got in ("version 1\n", "version 2\n")
        else:
            got = os.readlink("/srv/site/current")
            good = got in ("/srv/site/releases/1", "/srv/site/releases/2")
    except OSError as e:
        got, good = str(e), False
    if not good:
        print("read", n, repr(got), flush=True)
        sys.exit(1)
print("good", n)
`

// TestCurrentOnMachine: current is there and a release in each of 100,000 reads during 50 deployments, on a machine whose
// tools are GNU's and on one whose shell and tools are busybox's.
func TestCurrentOnMachine(t *testing.T) {
	t.Parallel()
	s := newSite(t, webs, siteAlone("build/site-${coalesce(var.version, \"live\")}", ""))
	s.m("web-2").Exec("mkdir -p /usr/local/bin && busybox --install -s /usr/local/bin")
	if out, err := s.m("web-2").SSH("deploy", "sudo -n sh -c 'for c in sh mv ln; do readlink -f $(command -v $c); done'"); err != nil || strings.Count(out, "/busybox\n") != 3 {
		t.Fatalf("web-2's tools are not busybox's: %q, %v", out, err)
	}
	for _, v := range []string{"1", "2"} {
		s.page(v)
		s.deploy(v)
	}
	for _, w := range webs {
		s.m(w).WriteFile("/tmp/reader.py", reader, 0o644)
		s.m(w).Exec("nohup sh -c 'python3 /tmp/reader.py >/tmp/said.part 2>&1; mv /tmp/said.part /tmp/said' >/dev/null 2>&1 </dev/null &")
	}
	for i := range 50 {
		s.deploy(fmt.Sprint(1 + i%2))
	}
	for _, w := range webs {
		m := s.m(w)
		m.Exec("touch /tmp/stop")
		said := awaitFile(t, m, "/tmp/said", time.Minute)
		t.Log(w, said)
		if !strings.HasPrefix(said, "good ") {
			t.Error(w, said)
		}
	}
}

// TestDiskFull: refused with the room needed and had before anything is written; a disk that is read-only; and one that
// fills up all the same. The release that was live is served all the while.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"web-1"}, siteAlone("build/site-${coalesce(var.version, \"live\")}", ""))
	m := s.m("web-1")
	m.WriteSite(rootIsCurrent)
	m.LimitDisk("/srv/site", 8<<20)
	m.Exec("systemctl reload-or-restart nginx")
	s.page("1")
	s.deploy("1")
	s.page("2")
	if err := os.WriteFile(filepath.Join(s.dir, "build", "site-2", "big"), bytes.Repeat([]byte("0123456789"), 1_200_000), 0o644); err != nil {
		t.Fatal(err)
	}
	m.Exec("nohup sh -c 'while [ ! -e /tmp/enough ]; do curl -sS -m 30 http://127.0.0.1/index.html || echo failed; sleep 0.05; done >/tmp/seen 2>&1; wc -l </tmp/seen >/tmp/reads' >/dev/null 2>&1 </dev/null &")
	clean := func() {
		t.Helper()
		s.reads("web-1", "version 1")
		s.has(m.Exec("ls -A /srv/site/releases"), `^1\n$`)
	}
	out := s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2")
	s.has(out, `not enough room in /srv/site/releases: 25 MB needed, [78] MB free. Nothing was written`)
	clean()

	// The machine says that there is room, and there is none.
	m.Exec(`mv /usr/bin/df /usr/bin/df.real; printf '#!/bin/sh\nn=$(cat /tmp/n 2>/dev/null)\necho 1 >/tmp/n\n[ -n "$n" ] && exec df.real "$@"\nprintf "a\\nb 9 9 99999999 9 /\\n"\n' >/usr/bin/df; chmod 755 /usr/bin/df`)
	out = s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2")
	s.has(out, `/srv/site/releases is full: 13 MB were to be written, there was room for [78] MB \(for all until it is published, 25 MB are needed\)\. What had arrived was removed`)
	clean()
	m.Exec("mv /usr/bin/df.real /usr/bin/df")

	m.Exec("mount -o remount,ro /srv/site")
	s.has(s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2"), `could not write to /srv/site/releases: Read-only file system. Nothing was written`)
	clean()

	m.Exec("mount -o remount,rw,size=64m /srv/site; touch /tmp/enough")
	reads := awaitFile(t, m, "/tmp/reads", time.Minute)
	if seen := strings.TrimSpace(m.Exec("sort -u /tmp/seen")); seen != "version 1" {
		t.Errorf("all the while was read: %s", seen)
	}
	t.Logf("%s reads meanwhile", reads)
	s.deploy("2")
	s.reads("web-1", "version 2")
}

// TestHostileArchives: each is refused with its own message, and nothing of it comes to the machine.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"web-1"}, "")
	archive := func(headers ...tar.Header) []byte {
		var raw bytes.Buffer
		z := gzip.NewWriter(&raw)
		w := tar.NewWriter(z)
		for _, h := range headers {
			if h.Mode == 0 {
				h.Mode = 0o644
			}
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return raw.Bytes()
	}
	file := func(name string, mode int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}
	}
	before := s.m("web-1").Exec("ls -A /srv")
	tgzBomb, zipBomb := bombs(t)
	for _, tt := range []struct {
		name, file string
		data       []byte
		want       string
	}{
		{"absolute path", "a.tar.gz", archive(file("/etc/passwd", 0)), `"/etc/passwd": absolute path`},
		{"dots", "a.tar.gz", archive(file("../x", 0)), `"../x": .. in a path`},
		{"link to /etc", "a.tar.gz", archive(tar.Header{Name: "l", Linkname: "/etc", Typeflag: tar.TypeSymlink}), `"l": link that leaves: "/etc"`},
		{"device", "a.tar.gz", archive(tar.Header{Name: "d", Typeflag: tar.TypeBlock}), `"d": device, pipe or socket`},
		{"setuid", "a.tar.gz", archive(file("su", 0o4755)), `"su": setuid or setgid`},
		{"duplicate", "a.tar.gz", archive(file("a", 0), file("./a", 0)), `"./a": duplicate name`},
		{"10 GB of zeros", "a.tar.gz", tgzBomb, `refused as a bomb`},
		{"10 GB of zeros", "a.zip", zipBomb, `refused as a bomb`},
	} {
		if err := os.WriteFile(filepath.Join(s.dir, tt.file), tt.data, 0o644); err != nil {
			t.Fatal(err)
		}
		s.write("main.hcl", siteAlone(tt.file, ""))
		out := s.fails(1, "apply", "-auto-approve", "-var", "version=1")
		if !strings.Contains(strings.Join(strings.Fields(out), " "), tt.want) {
			t.Errorf("%s: no %s", tt.name, tt.want)
		}
		if after := s.m("web-1").Exec("ls -A /srv; ls -A /var/lib/shipctl 2>/dev/null; true"); after != before {
			t.Errorf("%s: on the machine is %q, was %q", tt.name, after, before)
		}
	}
}

// bombs are 10 GB of zeros in about 10 MB, as .tar.gz and as .zip.
func bombs(t *testing.T) (tgz, zipped []byte) {
	t.Helper()
	const chunk, chunks = 1 << 20, 10_000
	zeros := make([]byte, chunk)
	pack := func(raw []byte) []byte { // to a byte's end, so that it can be repeated
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	body := bytes.Repeat(pack(zeros), chunks)
	end := []byte{0x01, 0x00, 0x00, 0xff, 0xff} // an empty last block
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: chunk * chunks, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	tgz = append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}, pack(head.Bytes())...)
	tgz = append(append(tgz, body...), end...)
	crc := uint32(0)
	for range chunks {
		crc = crc32.Update(crc, crc32.IEEETable, zeros)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	raw, err := z.CreateRaw(&zip.FileHeader{
		Name: "zeros", Method: zip.Deflate, CRC32: crc, CompressedSize64: uint64(len(body) + len(end)), UncompressedSize64: chunk * chunks,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Write(append(body, end...)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return tgz, out.Bytes()
}
