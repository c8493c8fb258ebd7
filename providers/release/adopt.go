package release

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

func adopter() providers.Adopter {
	return providers.Adopter{
		Queries:  func(host string) []remote.Query { return []remote.Query{adoptQuery(host)} },
		Describe: describe,
	}
}

func adoptQuery(host string) remote.Query { return remote.Query{Host: host, Script: "release/adopt"} }

// laid is a directory of releases as Capistrano lays out, on the machines that have it.
type laid struct {
	root, id, count, revision string
	project                   string // of shipctl's that published it; "": none did
	shared, hosts             []string
}

// dated is a directory in which each release is one directory that is named after a time, behind links.
type dated struct {
	dir, count   string
	links, hosts []string // links as "LINK -> NAME"
}

// describe writes a release for each that a service wishes for, and for each directory of releases besides.
func describe(a *providers.Adoption) {
	var roots []*laid
	var dates []*dated
	for _, h := range a.Hosts {
		ans := a.Facts.Get(adoptQuery(h.Name))
		if ans.Sight != remote.Seen {
			a.Note("%s: its directories could not be looked at: %s %s", h.Name, ans.Sight, ans.Why)
			continue
		}
		roots, dates = parseAdopt(a, h.Name, ans.Text, roots, dates)
	}
	// Releases of one configuration that have different versions can't share a variable.
	v := versions{a, len(a.Wishes)+len(roots)+len(dates) > 1 || a.Taken["variable.version"], nil}
	for _, l := range roots {
		v.used = append(v.used, l.root)
	}
	for _, w := range a.Wishes {
		i := slices.IndexFunc(roots, func(l *laid) bool { return l.root == w.Root && w.Root != "" })
		if i < 0 {
			v.fresh(w.Name, w.Hosts, "What runs now lies in "+orUnknown(w.Dir)+", which stays as it is. This is a new directory, for releases.")
			continue
		}
		roots[i].block(v, w.Name, w.Hosts)
		roots = slices.Delete(roots, i, i+1)
	}
	for _, l := range roots {
		if usable(l.root) {
			l.block(v, a.Name(path.Base(l.root), "release"), l.hosts)
		} else {
			a.Note("%s: the releases in %s are not described: a release's root can't be called that", strings.Join(l.hosts, ", "), l.root)
		}
	}
	for _, d := range dates {
		d.block(v)
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "a directory that could not be seen"
	}
	return s
}

// usable: a configuration may name it.
func usable(root string) bool {
	return strings.HasPrefix(root, "/") && root != "/" && path.Clean(root) == root && plain(root[1:]) && systemDirectory(root) == ""
}

func parseAdopt(a *providers.Adoption, host, text string, roots []*laid, dates []*dated) ([]*laid, []*dated) {
	at := map[string]*laid{}        // of this host
	projects := map[string]string{} // by root; such a line stands before its root's, as the script sorts them
	whole := false
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case f[0] == "end":
			whole = true
		case f[0] == "denied" && len(f) == 2:
			a.Note("%s: this user may not look for releases in %s", host, f[1])
		case f[0] == "root" && len(f) == 5 && strings.HasPrefix(f[1], "/"):
			i := slices.IndexFunc(roots, func(l *laid) bool { return l.root == f[1] })
			if i < 0 {
				roots = append(roots, &laid{root: f[1], id: f[2], count: f[3], revision: f[4], hosts: []string{host}})
				at[f[1]] = roots[len(roots)-1]
			} else if !slices.Contains(roots[i].hosts, host) {
				roots[i].hosts = append(roots[i].hosts, host)
			}
		case f[0] == "ours" && len(f) == 3 && plain(f[2]):
			projects[f[1]] = f[2]
		case f[0] == "shared" && len(f) == 3 && at[f[1]] != nil:
			at[f[1]].shared = append(at[f[1]].shared, f[2])
		case f[0] == "dated" && len(f) == 5:
			i := slices.IndexFunc(dates, func(d *dated) bool { return d.dir == f[1] })
			if i < 0 {
				i, dates = len(dates), append(dates, &dated{dir: f[1], count: f[4]})
			}
			if !slices.Contains(dates[i].hosts, host) {
				dates[i].hosts = append(dates[i].hosts, host)
			}
			if l := f[2] + " -> " + f[3]; !slices.Contains(dates[i].links, l) {
				dates[i].links = append(dates[i].links, l)
			}
		}
	}
	for _, l := range roots {
		if p := projects[l.root]; p != "" {
			l.project = p
		}
	}
	if !whole {
		a.Note("%s: the list of its releases is not complete", host)
	}
	return roots, dates
}

func (l *laid) block(v versions, name string, hosts []string) {
	if !usable(l.root) {
		v.fresh(name, hosts, "The releases of today lie in "+l.root+", which a release's root can't be called. This is a new directory.")
		return
	}
	block := hclwrite.NewBlock("release", []string{name})
	b := block.Body()
	if l.project == "" {
		providers.Comment(b, "As Capistrano left it: %s releases, current is %s%s. shipctl goes on in the same directory;", l.count, l.id, revision(l.revision))
		providers.Comment(b, "the releases that are there stay, and it removes only its own.")
	} else {
		providers.Comment(b, "shipctl's own, of project %s: %s releases, current is %s. Go on with that project's configuration:", l.project, l.count, l.id)
		providers.Comment(b, "another project can't have the same root.")
		v.Note("%s: %s is shipctl's own, of project %s: its configuration describes it already", strings.Join(l.hosts, ", "), l.root, l.project)
	}
	b.SetAttributeRaw("hosts", providers.HostRefs(hosts))
	b.SetAttributeValue("root", cty.StringVal(l.root))
	v.source(b, name)
	if shared := l.sharedNames(); len(shared) > 0 {
		var items []hclwrite.Tokens
		for _, s := range shared {
			items = append(items, providers.Text(s))
		}
		b.SetAttributeRaw("shared", providers.List(items...))
	}
	v.Blocks = append(v.Blocks, block)
}

// sharedNames are those that a configuration may have; one that lies in another is left out.
func (l *laid) sharedNames() (out []string) {
	slices.Sort(l.shared)
	for _, n := range slices.Compact(l.shared) {
		under := func(o string) bool { return strings.HasPrefix(n+"/", o+"/") }
		if n != "" && path.Clean(n) == n && !strings.HasPrefix(n, "/") && !strings.HasPrefix(n, "..") && plain(n) && !slices.ContainsFunc(out, under) {
			out = append(out, n)
		}
	}
	return out
}

func revision(s string) string {
	if s == "-" || s == "" {
		return ""
	}
	return " (revision " + s + ")"
}

// versions adds the variables that say which release is wanted.
type versions struct {
	*providers.Adoption
	several bool
	used    []string // roots
}

func (v versions) source(b *hclwrite.Body, name string) {
	variable := "version"
	if v.several {
		variable = strings.ReplaceAll(v.Name(name+"_version", "variable"), "-", "_")
	}
	block := hclwrite.NewBlock("variable", []string{variable})
	block.Body().SetAttributeRaw("type", providers.Word("string"))
	block.Body().SetAttributeRaw("default", providers.Word("null"))
	v.Blocks = append(v.Blocks, block)
	providers.Comment(b, "Fill in: what CI builds, a file, a directory, a .tar.gz or a .zip.")
	b.SetAttributeRaw("source", providers.Word(fmt.Sprintf(`"build/%s-${coalesce(var.%s, "live")}"`, name, variable)))
	b.SetAttributeRaw("version", providers.Word("var."+variable))
}

// fresh is a release in a directory that shipctl will make.
func (v versions) fresh(name string, hosts []string, why string) *hclwrite.Body {
	block := hclwrite.NewBlock("release", []string{name})
	b := block.Body()
	providers.Comment(b, "%s", why)
	b.SetAttributeRaw("hosts", providers.HostRefs(hosts))
	root := "/srv/" + name
	for i := 2; slices.Contains(v.used, root); i++ {
		root = fmt.Sprintf("/srv/%s-%d", name, i)
	}
	b.SetAttributeValue("root", cty.StringVal(root))
	v.source(b, name)
	v.Blocks = append(v.Blocks, block)
	return b
}

func (d *dated) block(v versions) {
	name := v.Name(strings.TrimRight(strings.TrimRight(first(d.links), "0123456789"), "_-"), "release")
	b := v.fresh(name, d.hosts, fmt.Sprintf("Today: %s directories with a time in their name in %s, and %s.", d.count, d.dir, strings.Join(d.links, ", ")))
	providers.Comment(b, "Those stay as they are. Jobs go on starting from the old links until you change them: to current in root, or to")
	providers.Comment(b, "the launcher of a batch block.")
}

// first is the name of the first link's target.
func first(links []string) string {
	_, target, _ := strings.Cut(links[0], " -> ")
	return target
}
