package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys gives the check of a machine's host key and the algorithms that its known keys are of: with any other the
// machine would show a key that isn't known. There is no way round the check.
func hostKeys(t target) (ssh.HostKeyCallback, []string, error) {
	var files []string
	for _, f := range t.knownHosts {
		_, err := os.Stat(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: known hosts: %w", t.host, err)
		}
		files = append(files, f)
	}
	db, err := knownhosts.NewDB(files...)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: known hosts: %w", t.host, err)
	}
	check := db.HostKeyCallback()
	name := t.keyName()
	verify := func(_ string, remote net.Addr, key ssh.PublicKey) error {
		if err := check(name, remote, key); err != nil {
			return &keyError{explain(t, key, err)}
		}
		return nil
	}
	return verify, db.HostKeyAlgorithms(name), nil
}

// keyError is a host key that is not accepted, explained.
type keyError struct{ text string }

func (e *keyError) Error() string { return e.text }

func explain(t target, key ssh.PublicKey, err error) string {
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	var wrong *xknownhosts.KeyError
	var revoked *xknownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return fmt.Sprintf("%s: %s shows a host key that %s:%d marks as revoked (%s): do not connect to it, and find out who put that key there",
			t.host, t.addr(), revoked.Revoked.Filename, revoked.Revoked.Line, shown)
	case errors.As(err, &wrong) && len(wrong.Want) > 0:
		var known []string
		for _, w := range wrong.Want {
			known = append(known, fmt.Sprintf("%s:%d has %s %s", w.Filename, w.Line, w.Key.Type(), ssh.FingerprintSHA256(w.Key)))
		}
		return fmt.Sprintf("%s: the host key of %s is not the one that was known: it shows %s, but %s. Somebody may be listening in, "+
			"or the machine was installed anew. Ask its owner for the fingerprint (ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub on the machine); "+
			"only if it is the one shown here, remove that line and add the new key", t.host, t.addr(), shown, strings.Join(known, ", "), fileWord(key))
	case errors.As(err, &wrong):
		return unknown(t, key, shown)
	}
	return fmt.Sprintf("%s: the host key of %s (%s) is not accepted: %v", t.host, t.addr(), shown, err)
}

// unknown says how a machine's key gets to where it is looked for.
func unknown(t target, key ssh.PublicKey, shown string) string {
	file := t.knownHosts[0]
	where, add, once := "looked in "+strings.Join(t.knownHosts, ", "), "add it", ""
	if t.knownNamed {
		once = "-o UserKnownHostsFile=" + file + " "
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			where, add = file+" does not exist", "make the file"
		}
	}
	return fmt.Sprintf("%s: the host key of %s is not known (%s; %s). Compare that fingerprint with the machine's "+
		"(ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub there), then %s by connecting once (ssh %s-p %d %s@%s), or with ssh-keyscan -p %d %s >> %s",
		t.host, t.addr(), shown, where, fileWord(key), add, once, t.port, t.user, t.address, t.port, t.address, file)
}

// fileWord is the key's type as sshd's files name it.
func fileWord(key ssh.PublicKey) string {
	switch {
	case strings.Contains(key.Type(), "ed25519"):
		return "ed25519"
	case strings.Contains(key.Type(), "ecdsa"):
		return "ecdsa"
	}
	return "rsa"
}
