package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keys are the keys that are offered to a machine, in order, and what a message says about them.
type keys struct {
	signers []ssh.Signer
	about   []string
	agent   net.Conn // nil: none
}

func (k *keys) close() {
	if k.agent != nil {
		_ = k.agent.Close()
	}
}

// offer collects the keys: those of the identity files first (through the agent where it has them, so that a
// passphrase is not needed), then the agent's others.
func offer(ctx context.Context, t target) (*keys, error) {
	k := &keys{}
	held, err := k.fromAgent(ctx, t.agent)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.host, err)
	}
	offered := map[string]bool{}
	add := func(s ssh.Signer) {
		if id := string(s.PublicKey().Marshal()); !offered[id] {
			offered[id] = true
			k.signers = append(k.signers, s)
		}
	}
	for _, f := range t.identities {
		s, err := k.fromFile(f, held)
		if err != nil {
			k.close()
			return nil, fmt.Errorf("%s: %w", t.host, err)
		}
		if s != nil {
			add(s)
		}
	}
	if !t.only {
		for _, s := range held {
			add(s)
		}
	}
	if len(k.signers) == 0 {
		k.close()
		return nil, fmt.Errorf("%s: there is no key to log in with (%s): start an agent and add one (ssh-add FILE), or set identity_file", t.host, strings.Join(k.about, "; "))
	}
	return k, nil
}

func (k *keys) fromAgent(ctx context.Context, socket string) ([]ssh.Signer, error) {
	if socket == "" {
		k.about = append(k.about, "no agent: SSH_AUTH_SOCK is not set")
		return nil, nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil && ctx.Err() != nil {
		return nil, silentAgent(ctx, socket)
	}
	if err != nil {
		k.about = append(k.about, "the agent does not answer: "+err.Error())
		return nil, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	held, err := agent.NewClient(conn).Signers()
	if !stop() {
		return nil, silentAgent(ctx, socket)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("asking the agent for its keys: %w", err)
	}
	k.agent = conn
	k.about = append(k.about, fmt.Sprintf("the agent holds %d", len(held)))
	return held, nil
}

func silentAgent(ctx context.Context, socket string) error {
	return fmt.Errorf("the SSH agent at %s gave no answer (%w): is it locked, or does it wait for somebody? Try ssh-add -l; without it, unset SSH_AUTH_SOCK and set identity_file", socket, context.Cause(ctx))
}

// fromFile is nil where the file is one of ssh's defaults and can't be used.
func (k *keys) fromFile(f identityFile, held []ssh.Signer) (ssh.Signer, error) {
	if public, err := os.ReadFile(f.path + ".pub"); err == nil {
		if s := holds(held, public); s != nil {
			k.about = append(k.about, f.path+" through the agent")
			return s, nil
		}
	}
	raw, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) && !f.named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the identity file can't be read: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(raw)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		if locked.PublicKey != nil {
			if s := holds(held, ssh.MarshalAuthorizedKey(locked.PublicKey)); s != nil {
				k.about = append(k.about, f.path+" through the agent")
				return s, nil
			}
		}
		if f.named {
			return nil, fmt.Errorf("the identity file %s has a passphrase: add it to the agent (ssh-add %s)", f.path, f.path)
		}
		k.about = append(k.about, f.path+" has a passphrase and is not in the agent (ssh-add "+f.path+")")
		return nil, nil
	case err != nil && f.named:
		return nil, fmt.Errorf("the identity file %s is not a private key: %w", f.path, err)
	case err != nil:
		k.about = append(k.about, f.path+" is not a private key")
		return nil, nil
	}
	k.about = append(k.about, f.path)
	return signer, nil
}

// holds finds the agent's key that a line of a .pub file names.
func holds(held []ssh.Signer, public []byte) ssh.Signer {
	key, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		return nil
	}
	for _, s := range held {
		if bytes.Equal(s.PublicKey().Marshal(), key.Marshal()) {
			return s
		}
	}
	return nil
}
