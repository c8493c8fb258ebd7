package service

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// TestDocsIgnoreDrift: what docs/language.md accepts by example is what drift says of a drop-in, and of nothing else of a unit.
func TestDocsIgnoreDrift(t *testing.T) {
	page, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?s)ignore_drift "service\..*?match += ("[^"]*")`).FindSubmatch(page)
	if found == nil {
		t.Fatal("no example")
	}
	text, err := strconv.Unquote(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(text)
	for what, accepted := range map[string]bool{"more\t/etc/systemd/system/x.service.d/override.conf changes it": true, "more\t/etc/systemd/system.control/x.service.d/50-MemoryMax.conf changes it": true, "file\t/etc/systemd/system/x.service is not as it was written": false} {
		c := see(teatime()).runs("app-1", "blue", "42").add("app-1", "edited\tblue\t"+what).routes("web-1", blue).routes("web-2", blue)
		n := 0
		for _, x := range diff(ref(), c.spec, c.facts()) {
			for _, d := range x.Drift {
				n++
				if match.MatchString(d) != accepted {
					t.Errorf("%s: %q, and %q", match, d, what)
				}
			}
		}
		if n != 1 {
			t.Errorf("%d differences of %q", n, what)
		}
	}
}
