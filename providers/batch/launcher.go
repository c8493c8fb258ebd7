package batch

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

//go:embed launcher/launcher.sh
var launcher string

// text is the whole launcher of a job, the same on every machine. Its second line says whose it is: files.sh reads it.
// Values are quoted; decode has refused what can't be. Secrets are not in it.
func (s Spec) text(j Job) string {
	head := fmt.Sprintf("#!/bin/sh\n# shipctl %s\n# Starts the job %s. Written by shipctl: what is changed here is overwritten by a deployment.\n", s.owner(), j.Name)
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "sc_%s=%s\n", name, quote(value)) }
	set("job", j.Name)
	set("root", s.Release.Root)
	set("user", s.RunAs)
	set("concurrency", j.Concurrency)
	set("meanwhile", j.OnDeployment)
	// Between these lines is what write.sh keeps for jobs that start before another release is current.
	b.WriteString("# the command\n")
	set("secret", s.secret())
	b.WriteString("sc_start() {\n")
	for _, e := range s.Env {
		if e.Value.Var == "" {
			fmt.Fprintf(&b, "\texport %s=%s\n", e.Name, quote(e.Value.Text))
		}
	}
	b.WriteString("\texec")
	for _, w := range j.Command {
		b.WriteString(" " + quote(w))
	}
	b.WriteString(" \"$@\"\n}\n# end of the command\n")
	_, body, _ := strings.Cut(launcher, "\n") // without shellcheck's line
	b.WriteString(body)
	return head + "sc_id=" + digest(b.String())[:12] + "\n" + b.String()
}

func quote(s string) string {
	q, err := remote.Quote(s)
	if err != nil {
		return "''" // refused at decode
	}
	return q
}

// secret names the sensitive variables' values, so that a change of one changes the launcher; "" where there are none.
func (s Spec) secret() string {
	var prints []Env
	for _, e := range s.Env {
		if e.Value.Var != "" {
			prints = append(prints, e)
		}
	}
	if len(prints) == 0 {
		return ""
	}
	sum := sha256.Sum256(providers.JSON(prints))
	return hex.EncodeToString(sum[:6])
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// call writes launchers and removes others: arguments and input of write.sh.
func (s Spec) call(when string, jobs []Job, remove []string) remote.Call {
	c := remote.Call{Script: scriptWrite, Args: []string{s.Release.Root, s.RunAs, when}}
	line := 0
	add := func(text string) int {
		c.Stdin = append(c.Stdin, remote.Part{Text: text})
		line += strings.Count(text, "\n")
		return line
	}
	for _, j := range jobs {
		text, from := s.text(j), line+1
		to := add(text)
		for _, e := range s.Env {
			if e.Value.Var != "" { // one line: control characters are refused
				c.Stdin = append(c.Stdin, remote.Part{Text: e.Name + "="}, e.Value, remote.Part{Text: "\n"})
				line++
			}
		}
		c.Args = append(c.Args, j.Name, digest(text), fmt.Sprint(from), fmt.Sprint(to), fmt.Sprint(line))
	}
	for _, name := range remove {
		c.Args = append(c.Args, name, "-", "0", "0", "0")
	}
	c.Stdin = merged(c.Stdin)
	return c
}

// merged joins neighbouring texts: what is printed of a call is for people too.
func merged(in []remote.Part) (out []remote.Part) {
	for _, p := range in {
		if n := len(out); n > 0 && p.Var == "" && out[n-1].Var == "" {
			out[n-1].Text += p.Text
			continue
		}
		out = append(out, p)
	}
	return slices.Clip(out)
}
