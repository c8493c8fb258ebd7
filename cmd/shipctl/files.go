package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writable refuses a plan's file that can't be put there in one step, and for its owner only, before the work is done that
// it is to hold.
func writable(flag, file string) error {
	if err := openable(flag, file); err != nil || file == "" {
		return err
	}
	info, err := os.Stat(file)
	if err == nil && through(info) != nil {
		return fmt.Errorf("%s=%s is no regular file: a plan is kept in a file that only its owner can read", flag, file)
	}
	return nil
}

// openable refuses a file whose directory is not there, or that is a directory itself.
func openable(flag, file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", filepath.Dir(file))
	}
	if is, not := os.Stat(file); err == nil && not == nil && is.IsDir() {
		err = errors.New("is a directory")
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", flag, file, err)
	}
	return nil
}

// through says how to write to what can't be replaced: a pipe or a device, or where this program's own output goes. nil
// for a file, which can.
func through(is os.FileInfo) func(path string) (*os.File, error) {
	for _, ours := range []*os.File{os.Stdout, os.Stderr} {
		if info, err := ours.Stat(); err == nil && os.SameFile(info, is) {
			return func(string) (*os.File, error) { return ours, nil }
		}
	}
	if is.Mode().IsRegular() {
		return nil
	}
	return func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) }
}

// target is what a chain of symbolic links leads to, whether that is there or not.
func target(path string) (string, error) {
	const most = 40 // as Linux
	for range most {
		dir, name := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(dir + ".")
		if err != nil {
			return "", err
		}
		link, err := os.Readlink(filepath.Join(dir, name))
		if err != nil { // no link, or nothing there yet
			return filepath.Join(dir, name), nil
		}
		if path = link; !filepath.IsAbs(link) {
			path = dir + "/" + link // not cleaned: a ".." is that of the folder which a link leads to
		}
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// writeFile replaces a file in one step: a reader sees the old content or the new one, also after a crash. Links are
// followed, and what is no file is written to as it is.
func writeFile(path string, mode os.FileMode, write func(io.Writer) error) error {
	if is, err := os.Stat(path); err == nil {
		if open := through(is); open != nil {
			return writeThrough(path, open, write)
		}
	}
	path, err := target(path)
	if err != nil {
		return err
	}
	return replaceFile(path, mode, write)
}

func writeThrough(path string, open func(string) (*os.File, error), write func(io.Writer) error) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	err = write(f)
	if f != os.Stdout && f != os.Stderr {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func replaceFile(path string, mode os.FileMode, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = write(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
