package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestLateFile: what is written is for its owner, whatever lay at the path before, and leads nowhere else.
func TestLateFile(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "out"), filepath.Join(dir, "other")
	for name, before := range map[string]func() error{
		"nothing": func() error { return nil },
		"readable file": func() error {
			return errors.Join(os.WriteFile(path, []byte("old, and longer"), 0o600), os.Chmod(path, 0o644))
		},
		"link": func() error { return errors.Join(os.WriteFile(other, []byte("other"), 0o600), os.Symlink(other, path)) },
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(path)
			if err := before(); err != nil {
				t.Fatal(err)
			}
			l := &lateFile{path: path}
			_, err := l.Write([]byte("secret"))
			if err = errors.Join(err, l.Close()); err != nil {
				t.Fatal(err)
			}
			about, err := os.Lstat(path)
			if err != nil || about.Mode() != 0o600 {
				t.Errorf("%v %v", about.Mode(), err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "secret" {
				t.Errorf("%q %v", text, err)
			}
			if text, err := os.ReadFile(other); err == nil && string(text) != "other" {
				t.Errorf("the link was followed: %q", text)
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
	none := &lateFile{path: filepath.Join(dir, "none")}
	if err := none.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(none.path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestLateFilePipe: what is no file is written to as it is.
func TestLateFilePipe(t *testing.T) {
	l := &lateFile{path: os.DevNull}
	_, err := l.Write([]byte("secret"))
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	if about, err := os.Stat(os.DevNull); err != nil || about.Mode().Type()&fs.ModeDevice == 0 {
		t.Errorf("%v %v", about.Mode(), err)
	}
}
