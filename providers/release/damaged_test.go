package release

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDamagedRecord: a record of our own that says nothing is nobody's; another project's is its.
func TestDamagedRecord(t *testing.T) {
	jar := write(t, "tea-42.jar", []byte("forty-two"))
	each(t, func(t *testing.T, b *box) {
		b.deploy(jar, "42")
		b.expectDamaged(t, "tea", "")
		b.expectDamaged(t, "coffee", "coffee")
	})
}

// expectDamaged empties our record of release 42, puts one into a project's, and looks whose it is.
func (b *box) expectDamaged(t *testing.T, project, want string) {
	t.Helper()
	for _, p := range []string{"tea", project} {
		dir := filepath.Join(b.state, "projects", p, "releases", b.spec().key())
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "42"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look, err := parseLook(b.must(nil, scriptLook, b.root, b.spec().key()).out)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := look.find("42"); !ok || p.SHA256 != "" || p.Project != want {
		t.Errorf("under %s: %+v", b.sh.name, p)
	}
}
