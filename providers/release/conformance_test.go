package release

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/providers/release/model"
)

// op is one thing that happens on a machine: shell text for the real one, the same for the model. Both say whether it
// worked.
type op struct {
	text string
	do   func(*model.Model) error
}

// world is what operations are drawn from: two artifacts, a few versions, one root.
type world struct {
	b     *box
	files []payload // of the artifacts, as version "0"
	bodys []string  // files with what is sent, the last one of them broken
}

func newWorld(t *testing.T, b *box) world {
	w := world{b: b}
	for i, source := range []string{write(t, "a.jar", []byte("one")), write(t, "a.tar.gz", tarWithEverything(t))} {
		p := b.payload(source, "0")
		w.files = append(w.files, p)
		w.bodys = append(w.bodys, write(t, "body"+strconv.Itoa(i), p.body))
	}
	w.bodys = append(w.bodys, write(t, "broken", []byte("on")))
	return w
}

// script is an operation that one of our scripts does.
func (w world) script(name string, args []string, body int) op {
	text := "__" + strings.TrimPrefix(name, "release/")
	for _, a := range args {
		text += " " + quote(a)
	}
	sha := "broken"
	stdin := "/dev/null"
	if body >= 0 {
		stdin = w.bodys[body]
		if body < len(w.files) {
			sha = w.files[body].a.SHA256
		}
	}
	return op{
		text: text + " <" + quote(stdin),
		do: func(m *model.Model) error {
			_, err := m.Run(name, args, "r1", sha)
			return err
		},
	}
}

func (w world) draw(t *rapid.T) op {
	root, key := w.b.root, w.b.spec().key()
	id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
	file := rapid.IntRange(0, 1).Draw(t, "file")
	at := func(args []string) []string {
		out := append([]string{}, args...)
		out[2] = id
		return out
	}
	switch rapid.SampledFrom([]string{"upload", "publish", "publish", "activate", "activate", "deactivate", "back", "prune", "broken", "hand", "directory", "hook", "hooks", "link", "all"}).Draw(t, "op") {
	case "upload":
		return w.script(scriptUpload, at(w.files[file].upload), file)
	case "broken":
		return w.script(scriptUpload, at(w.files[file].upload), len(w.files))
	case "publish":
		if rapid.Bool().Draw(t, "upload first") {
			up, pub := w.script(scriptUpload, at(w.files[file].upload), file), w.script(scriptPublish, at(w.files[file].publish), -1)
			return op{text: "(" + up.text + ") && " + pub.text, do: func(m *model.Model) error {
				if err := up.do(m); err != nil {
					return err
				}
				return pub.do(m)
			}}
		}
		return w.script(scriptPublish, at(w.files[file].publish), -1)
	case "activate":
		return w.script(scriptActivate, []string{root, key, id}, -1)
	case "link":
		return w.script(scriptLink, []string{root, key, w.files[0].a.SHA256, id, "a.jar"}, -1)
	case "all":
		return w.script(scriptPrune, []string{root, key, "-all"}, -1)
	case "hook":
		when := rapid.SampledFrom([]string{"before", "after"}).Draw(t, "when")
		name := rapid.SampledFrom([]string{"reload", "warm"}).Draw(t, "name")
		return w.script(scriptHook, []string{root, key, id, when, name, "", "20", rapid.SampledFrom([]string{"true", "false"}).Draw(t, "command"), "x y"}, -1)
	case "hooks":
		to := rapid.SampledFrom([]string{"", root + "/releases/1"}).Draw(t, "to")
		on, off := w.script(scriptActivate, []string{root, key, id, "reload", "warm"}, -1),
			w.script(scriptDeactivate, []string{root, key, id, to, "reload", "", "20", "1", "true", "warm", "", "20", "2", rapid.SampledFrom([]string{"true", "false"}).Draw(t, "command"), "x"}, -1)
		if rapid.Bool().Draw(t, "back") {
			return off
		}
		return on
	case "deactivate":
		return w.script(scriptDeactivate, []string{root, key, id}, -1)
	case "back":
		return w.script(scriptDeactivate, []string{root, key, id, root + "/releases/2"}, -1)
	case "prune":
		return w.script(scriptPrune, []string{root, key, id, "2"}, -1)
	case "directory":
		return op{"mkdir -p " + quote(root+"/releases/3"), func(m *model.Model) error { m.Directory(root, "3"); return nil }}
	}
	kind := rapid.SampledFrom([]string{"directory", "file", "link"}).Draw(t, "kind")
	cur := quote(root + "/current")
	make := map[string]string{"directory": "mkdir " + cur, "file": ": >" + cur, "link": "ln -s old " + cur}[kind]
	target := map[string]string{"link": "old"}[kind]
	return op{"mkdir -p " + quote(root) + "; rm -rf " + cur + "; " + make, func(m *model.Model) error { m.Current(root, kind, target); return nil }}
}

// run does all operations on the real machine, in one shell: after each of them a line with its outcome, then what
// look prints.
func (w world) run(t *rapid.T, ops []op) []string {
	text := functions(t) + "PATH=" + quote(w.b.sh.path) + "\nSTATE=" + quote(w.b.state) + " PROJECT=tea RUN=r1 STEP=s INPUT=\nmkdir -p \"$STATE/projects/$PROJECT\"\n" + // as a step does
		"sync() { :; }\n" + // disks are tested elsewhere
		// busybox' timeout leaves a process behind, in the release's directory, for up to a second.
		"__settle() { __n=0; while [ $__n -lt 50 ] && ls -ld /proc/[0-9]*/cwd 2>/dev/null | grep -q '/releases/'; do __n=$((__n + 1)); sleep 0.1; done; }\n"
	for _, name := range []string{"look", "upload", "publish", "activate", "deactivate", "prune", "hook", "link"} {
		body, err := scripts{files}.ReadFile(name + ".sh")
		if err != nil {
			t.Fatal(err)
		}
		text += "__" + name + "() {\n" + string(body) + "\n}\n"
	}
	for i, o := range ops {
		text += "STEP=s" + strconv.Itoa(i) + "; (" + o.text + ") >/dev/null 2>&1; [ $? = 0 ] && echo '== ok' || echo '== failed'\n" +
			"__settle\n" +
			"(__look " + quote(w.b.root) + " " + w.b.spec().key() + ")\n"
	}
	argv := append(append([]string{}, w.b.sh.argv...), "-s")
	if os.Getuid() == 0 { // so that prune can see every process
		argv = append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(text)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, _ := cmd.Output() // the status is that of the last look
	if errs.Len() > 0 {
		t.Fatalf("%s", errs.String())
	}
	return strings.Split(timeless(string(out)), "== ")[1:]
}

func TestModelConforms(t *testing.T) {
	boxes := []world{}
	for _, sh := range shells(t) {
		boxes = append(boxes, newWorld(t, newBox(t, sh)))
	}
	rapid.Check(t, func(t *rapid.T) {
		w := boxes[rapid.IntRange(0, len(boxes)-1).Draw(t, "shell")]
		for _, dir := range []string{filepath.Dir(w.b.root), w.b.state} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		m := model.New()
		m.Unprivileged = os.Getuid() != 0
		var ops []op
		for range rapid.IntRange(1, 8).Draw(t, "n") {
			ops = append(ops, w.draw(t))
		}
		for i, got := range w.run(t, ops) {
			clone := m.Clone()
			want := "ok\n"
			if err := ops[i].do(m); err != nil {
				want = "failed\n"
			}
			if text, status := m.Ask(scriptLook, []string{w.b.root, w.b.spec().key()}); status == 0 {
				want += text
			}
			if got != want {
				before, _ := clone.Ask(scriptLook, []string{w.b.root, ""})
				t.Fatalf("under %s, from\n%safter %s\nscript:\n%smodel:\n%s", w.b.sh.name, before, ops[i].text, got, want)
			}
		}
	})
}

// What is half done is the same in the model as what a script leaves when it is killed, and is put right by doing it again.
func TestHalfDoneConverges(t *testing.T) {
	b := &box{t: t, root: "/srv/tea"}
	p := b.payload(write(t, "a.jar", []byte("one")), "1")
	calls := []struct {
		script string
		args   []string
	}{{scriptUpload, p.upload}, {scriptPublish, p.publish}, {scriptActivate, []string{b.root, "k", "1"}}}
	undisturbed := model.New()
	for _, c := range calls {
		if _, err := undisturbed.Run(c.script, c.args, "r", p.a.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := undisturbed.Ask(scriptLook, []string{b.root, "k"})
	for i := range calls {
		m := model.New()
		for j, c := range calls {
			if i == j {
				if _, err := m.Half(c.script, c.args, "r", p.a.SHA256); err == nil {
					t.Error("half is not whole")
				}
			}
			if _, err := m.Run(c.script, c.args, "r", p.a.SHA256); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := m.Ask(scriptLook, []string{b.root, "k"}); strings.Replace(got, " 2 file", " 1 file", 1) != want {
			t.Errorf("%s", fmt.Sprintf("%s\nwant\n%s", got, want))
		}
	}
}
