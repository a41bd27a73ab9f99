package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/weir-media/weir/host/internal/admin"
)

const (
	configFile    = "plugins.yaml"
	defaultSocket = "weir.sock"
	tokenVariable = "WEIR_TOKEN"
)

// remote is a command's way to the server that runs.
type remote struct{ address string }

func (r *remote) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.address, "admin", "", "where the server is: unix:PATH or HOST:PORT, the token for TCP in "+tokenVariable+
		" (default: the admin of ./"+configFile+", else unix:"+defaultSocket+")")
}

// client gives a client of the server that --admin names, or the configuration in the current folder.
func (r *remote) client() (*admin.Client, error) {
	token := os.Getenv(tokenVariable)
	if r.address == "" {
		at, err := readAdmin(configFile, os.Environ())
		if err != nil {
			return nil, fmt.Errorf("%w; name the server with --admin", err)
		}
		r.address = at.address()
		if token == "" && at.TokenFile != "" && at.Socket == "" {
			text, err := os.ReadFile(at.TokenFile)
			if err != nil {
				return nil, fmt.Errorf("read admin token: %w; or set %s", err, tokenVariable)
			}
			token = strings.TrimSpace(string(text))
		}
	}
	c, err := admin.NewClient(r.address, token)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// adminKeys is the part of a configuration that tells where its server is.
type adminKeys struct {
	Socket    string `yaml:"socket"`
	Address   string `yaml:"address"`
	TokenFile string `yaml:"token_file"`
}

// readAdmin reads no more than it needs: whether the rest of the file is right is for `weir check`. A missing file has no keys.
func readAdmin(path string, environ []string) (adminKeys, error) {
	var file struct {
		Admin adminKeys `yaml:"admin"`
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return adminKeys{}, fmt.Errorf("read %s: %w", path, err)
	}
	a := file.Admin
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch strings.ToUpper(name) {
		case "WEIR_ADMIN__SOCKET":
			a.Socket = value
		case "WEIR_ADMIN__ADDRESS":
			a.Address = value
		case "WEIR_ADMIN__TOKEN_FILE":
			a.TokenFile = value
		}
	}
	return a, nil
}

func (a adminKeys) address() string {
	switch {
	case a.Socket != "":
		return "unix:" + filepath.Clean(a.Socket)
	case a.Address != "":
		return a.Address
	}
	return "unix:" + defaultSocket
}
