package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shipctl/shipctl/executor"
)

// page is a document for users.
type page struct {
	name string // relative to the module
	text string
}

func pages(t *testing.T) (out []page) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal("no docs", err)
	}
	for _, f := range append(files, filepath.Join(root(t), "README.md")) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root(t), f)
		out = append(out, page{name, string(text)})
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fenced are the blocks of code in a language.
func (p page) fenced(language string) (out []string) {
	fence := regexp.MustCompile("(?ms)^( *)```" + language + "\n(.*?)^ *```$")
	for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
		out = append(out, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n"))
	}
	return out
}

// commandLines are the shipctl and make calls in code, blocks and inline.
func (p page) commandLines(program string) (out []string) {
	call := regexp.MustCompile("(?m)(?:^|[`&$] *|bin/)" + program + " ([^`\n]*)")
	code := append(p.fenced("sh"), p.fenced("")...)
	code = append(code, regexp.MustCompile("`[^`\n]+`").FindAllString(p.text, -1)...)
	for _, c := range code {
		for _, m := range call.FindAllStringSubmatch(c, -1) {
			args, _, _ := strings.Cut(m[1], "  #")
			args, _, _ = strings.Cut(args, "&&")
			out = append(out, strings.TrimSpace(args))
		}
	}
	return out
}

// Each command line in the documents names a command and flags that exist.
func TestDocumentedCommands(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		for _, line := range p.commandLines("shipctl") {
			if !regexp.MustCompile(`^[a-z-]+`).MatchString(line) {
				continue // `shipctl { … }`, `shipctl COMMAND`
			}
			n++
			args, err := words(line)
			if err != nil {
				t.Errorf("%s: %s: %v", p.name, line, err)
				continue
			}
			root := (&cli{}).root()
			root.InitDefaultCompletionCmd()
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root {
				t.Errorf("%s: there is no such command: shipctl %s", p.name, line)
				continue
			}
			for _, a := range rest {
				name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
				if strings.HasPrefix(a, "-") && lookup(cmd, name) == nil {
					t.Errorf("%s: shipctl %s: there is no flag %s", p.name, line, a)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d calls of shipctl found", n)
	}
}

func TestDocumentedTargets(t *testing.T) {
	makefile := "\n" + read(t, "Makefile")
	for _, p := range pages(t) {
		for _, line := range p.commandLines("make") {
			target := strings.Fields(line)[0]
			if !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s: there is no target %s", p.name, target)
			}
		}
	}
}

// docs/commands.md has every command with every flag, and says what -json is.
func TestCommandsAreDocumented(t *testing.T) {
	text := read(t, "docs/commands.md")
	sections := map[string]string{}
	for _, s := range strings.Split(text, "\n## ")[1:] {
		name, body, _ := strings.Cut(s, "\n")
		sections[name] = body
	}
	global, _, _ := strings.Cut(text, "\n## ")
	root := (&cli{}).root()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		body, ok := sections[cmd.Name()]
		if !ok {
			t.Errorf("the command %s has no section", cmd.Name())
			continue
		}
		if cmd.Name() == "apply" { // it refers to plan's
			body += sections["plan"]
		}
		said := []*cobra.Command{cmd}
		if cmd.Name() != "completion" && cmd.HasSubCommands() {
			said = cmd.Commands()
		}
		for _, cmd := range said {
			cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
				if f.Name != "help" && !strings.Contains(body+global, "-"+f.Name) {
					t.Errorf("%s: -%s is not mentioned", cmd.Name(), f.Name)
				}
			})
		}
		saysJSON(t, said, sections[cmd.Name()])
	}
}

func saysJSON(t *testing.T, cmds []*cobra.Command, body string) {
	t.Helper()
	want := map[string]string{jsonStream: "a **stream**", jsonDocument: "a **document**"}
	for format, text := range want {
		speaks := func(c *cobra.Command) bool { return c.Annotations[annotationJSON] == format }
		if is := slices.ContainsFunc(cmds, speaks); is != strings.Contains(body, text) {
			t.Errorf("%s: -json is a %s: %v, the text says otherwise", cmds[0].CommandPath(), format, is)
		}
	}
}

// around is a fragment of a configuration with what it needs to be one.
func around(fragment string) string {
	var b strings.Builder
	if strings.HasPrefix(strings.TrimSpace(fragment), "nginx_upstream") {
		b.WriteString("service \"shop\" {\n release = release.shop\n command = [\"./shop\"]\n slot \"a\" {\n port = 1\n }\n slot \"b\" {\n port = 2\n }\n health {\n tcp {}\n }\n" + fragment + "}\n")
	} else {
		b.WriteString(fragment)
	}
	text := b.String()
	add := func(missing, block string) {
		if !strings.Contains(text, missing) {
			b.WriteString("\n" + block + "\n")
		}
	}
	add("shipctl {", "shipctl {\n project = \"docs\"\n}")
	add(`variable "version"`, "variable \"version\" {\n default = \"42\"\n}")
	add(`host "app-1"`, "host \"app-1\" {\n address = \"10.0.0.11\"\n labels = { role = \"app\" }\n}")
	add(`host "web"`, "host \"web-9\" {\n address = \"10.0.0.29\"\n labels = { role = \"web\" }\n}")
	for _, m := range regexp.MustCompile(`release\.(\w+)`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(b.String(), `release "`+m[1]+`"`) {
			b.WriteString("\nrelease \"" + m[1] + "\" {\n hosts = [host.app-1]\n root = \"/srv/" + m[1] + "\"\n source = \"x.jar\"\n version = \"1\"\n}\n")
		}
	}
	return b.String()
}

// Each piece of HCL in the documents is valid, by itself or with the blocks that it refers to, and laid out by fmt.
func TestDocumentedConfigurations(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		for _, snippet := range p.fenced("hcl") {
			n++
			text := around(snippet)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			o := (&cli{}).options(values{})
			o.Dir, o.Environ = dir, []string{"SHIPCTL_VAR_db_password=x"}
			if _, diags := load(o); diags.HasErrors() {
				t.Errorf("%s: %v\n%s", p.name, diags, text)
			}
			var out, errs bytes.Buffer
			if code := Main([]string{"fmt", "-check", "-diff", "-"}, strings.NewReader(strings.TrimPrefix(snippet, "\n")), &out, &errs, nil); code != 0 {
				t.Errorf("%s: not as fmt lays it out:\n%s%s", p.name, out.String(), errs.String())
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d pieces found", n)
	}
}

// docs/language.md names every block and argument of the configuration that uses all, and every function.
func TestLanguageIsDocumented(t *testing.T) {
	text := read(t, "docs/language.md") + read(t, "docs/machines.md") + read(t, "docs/nginx.md")
	src, err := os.ReadFile("testdata/full/main.hcl")
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclsyntax.ParseConfig(src, "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	named := func(name string) {
		if !strings.Contains(text, "`"+name) && !strings.Contains(text, "\n## "+name+"\n") {
			t.Errorf("%s is not in docs/language.md", name)
		}
	}
	var walk func(*hclsyntax.Body, bool)
	walk = func(b *hclsyntax.Body, locals bool) {
		for name := range b.Attributes {
			if !locals {
				named(name)
			}
		}
		for _, inner := range b.Blocks {
			named(inner.Type)
			walk(inner.Body, inner.Type == "locals")
		}
	}
	walk(file.Body.(*hclsyntax.Body), false)
	files, err := filepath.Glob(filepath.Join(root(t), "config", "functions*.go"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\t\t"([a-z0-9]+)": `).FindAllSubmatch(src, -1) {
			n++
			named(string(m[1]))
		}
	}
	if n < 80 {
		t.Errorf("only %d functions found", n)
	}
}

// The README's table of exit codes is the switch's.
func TestDocumentedExitCodes(t *testing.T) {
	want := map[int]error{
		2: errDiffers, 3: errUnformatted, 4: executor.ErrHeld, 5: errStale, 6: errUndone, 7: errLeft,
	}
	rows := regexp.MustCompile(`(?m)^\| (\d) \| ([^|]*) \| ([^|]*) \|$`).FindAllStringSubmatch(read(t, "README.md"), -1)
	seen := map[int]bool{}
	for _, r := range rows {
		code, _ := strconv.Atoi(r[1])
		seen[code] = true
		if err := want[code]; err != nil && exitCode(err, true) != code {
			t.Errorf("%s: the code of %v is %d", r[0], err, exitCode(err, true))
		}
	}
	for code := range want {
		if !seen[code] {
			t.Errorf("%d is not in the README", code)
		}
	}
	commands := read(t, "docs/commands.md")
	for _, text := range []string{"4 another run has the lease", "5 the plan is stale", "6 failed and undone", "7 failed and **not**", "exits 3"} {
		if !strings.Contains(commands, text) {
			t.Errorf("docs/commands.md does not say %q", text)
		}
	}
}

// What the README says to type in an empty folder works.
func TestReadmeBeginning(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"init"}, 0},
		{[]string{"init"}, 0},
		{[]string{"validate"}, 0},
		{[]string{"fmt", "-check"}, 0},
		{[]string{"validate", "-var", "nothing=1"}, 1},
		{[]string{"graph", "-format=mermaid"}, 0},
		{[]string{"apply", "-input=false"}, 1},
	} {
		var out, errs bytes.Buffer
		if code := Main(append([]string{"-chdir=" + dir}, tt.args...), strings.NewReader(""), &out, &errs, nil); code != tt.code {
			t.Errorf("shipctl %s: exit %d, want %d\n%s%s", strings.Join(tt.args, " "), code, tt.code, out.String(), errs.String())
		}
	}
}

// Each link between the documents leads somewhere.
func TestLinks(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`).FindAllStringSubmatch(p.text, -1) {
			file := p.name
			if m[1] != "" {
				file = filepath.Join(filepath.Dir(p.name), m[1])
			}
			text, err := os.ReadFile(filepath.Join(root(t), file))
			if err != nil {
				t.Errorf("%s: %s: %v", p.name, m[0], err)
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(string(text)), m[2]) {
				t.Errorf("%s: there is no %s in %s", p.name, m[2], file)
			}
		}
	}
}

func anchors(text string) (out []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		out = append(out, "#"+strings.ReplaceAll(strings.ToLower(regexp.MustCompile(`[^\w -]`).ReplaceAllString(m[1], "")), " ", "-"))
	}
	return out
}

// Each test that docs/acceptance.md names is there.
func TestAcceptanceNamesTests(t *testing.T) {
	text := read(t, "docs/acceptance.md")
	names := regexp.MustCompile("`([\\w/.-]+): ((?:Test|Fuzz|Benchmark)\\w+)`").FindAllStringSubmatch(text, -1)
	if len(names) < 30 {
		t.Errorf("only %d tests named", len(names))
	}
	for _, m := range names {
		files, err := filepath.Glob(filepath.Join(root(t), m[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(files, func(f string) bool {
			src, err := os.ReadFile(f)
			return err == nil && bytes.Contains(src, []byte("\nfunc "+m[2]+"("))
		})
		if !found {
			t.Errorf("there is no %s in %s", m[2], m[1])
		}
	}
	for i, row := range strings.Split(text, "\n") {
		if strings.HasPrefix(row, "| ") && !strings.HasPrefix(row, "| acceptance") && !strings.Contains(row, ": Test") && !strings.Contains(row, "`make ") {
			t.Errorf("docs/acceptance.md:%d: a line without a test: %s", i+1, row)
		}
	}
}
