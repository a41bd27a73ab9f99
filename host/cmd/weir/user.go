package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/access"
)

const userLong = "A file of users holds names and hashed passwords, for access: {users_file: FILE} in plugins.yaml. It has mode 0600. The server reads it\n" +
	"when it starts and with each change: at once with watch: true, else at `weir apply` or SIGHUP.\n\n" +
	"For Basic a password is kept as PBKDF2 leaves it, which is slow to guess. For Digest the file must hold what RFC 7616 calls A1: whoever reads that can\n" +
	"log in by Digest in its realm, and can try passwords fast. With --no-digest it is left out, and the user can log in by Basic alone: use that with TLS."

func newUser() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "user",
		Short:   "Add, remove and list the users who may log in",
		Long:    userLong,
		Example: "  weir user add camera1 -f users.txt\n  weir user list -f users.txt",
		Args:    cobra.NoArgs,
		RunE:    needCommand,
	}
	cmd.AddCommand(newUserAdd(), newUserRemove(), newUserList())
	return cmd
}

// usersFlag adds -f, which must be given: the command's RunE follows only then.
func usersFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "file of users")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *file == "" {
			return usageError{errors.New("which file? name it with -f FILE")}
		}
		return run(cmd, args)
	}
}

func newUserAdd() *cobra.Command {
	var file, realm string
	var noDigest bool
	cmd := &cobra.Command{
		Use:     "add NAME -f FILE",
		Short:   "Add a user, or give one another password",
		Long:    "Add asks for the password twice if it runs in a terminal; else it reads it from the first line of standard input.\n\n" + userLong,
		Example: "  weir user add camera1 -f users.txt\n  pwgen -s 20 1 | tee password | weir user add camera1 -f users.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(access.CheckName(args[0]), access.CheckRealm(realm)); err != nil {
				return usageError{err}
			}
			password, err := askPassword(cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			in := realm
			if noDigest {
				in = ""
			}
			line, err := access.NewLine(args[0], password, in)
			if err != nil {
				return err
			}
			was, err := access.PutLine(file, args[0], line)
			if err != nil {
				return err
			}
			done := "added"
			if was {
				done = "has another password"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "user %s %s in %s\n", args[0], done, file)
			return err
		},
	}
	usersFlag(cmd, &file)
	cmd.Flags().StringVar(&realm, "realm", access.DefaultRealm, "that of access in plugins.yaml, which Digest's hashes are bound to")
	cmd.Flags().BoolVar(&noDigest, "no-digest", false, "leave out what Digest needs: the user can log in by Basic alone")
	return cmd
}

func newUserRemove() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "remove NAME -f FILE",
		Short:   "Remove a user; who is connected stays",
		Example: "  weir user remove camera1 -f users.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := access.CheckName(args[0]); err != nil {
				return usageError{err}
			}
			if _, err := access.PutLine(file, args[0], ""); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "user %s removed from %s\n", args[0], file)
			return err
		},
	}
	usersFlag(cmd, &file)
	return cmd
}

// listedUser is a user as `weir user list` shows one.
type listedUser struct {
	Name  string `json:"name"`
	Realm string `json:"realm,omitempty"` // of Digest; empty: Basic alone
}

func newUserList() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "list -f FILE",
		Short:   "List the users, and how they can log in",
		Example: "  weir user list -f users.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := access.ReadUsers(file)
			if err != nil {
				return err
			}
			all := []listedUser{}
			for _, name := range users.Names() {
				all = append(all, listedUser{name, users.Realm(name)})
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), all)
			}
			t := newTable(cmd.OutOrStdout(), "USER", "METHODS", "REALM")
			for _, u := range all {
				methods := "basic"
				if u.Realm != "" {
					methods = "basic, digest, digest-sha256"
				}
				t.row(u.Name, methods, u.Realm)
			}
			t.flush()
			return nil
		},
	}
	usersFlag(cmd, &file)
	return cmd
}

// askPassword reads a password: from a terminal twice and unseen, else one line.
func askPassword(in io.Reader, out io.Writer) (string, error) {
	lines := bufio.NewReader(in)
	file, isFile := in.(*os.File)
	if !isFile {
		return readPassword(lines)
	}
	was, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	if err != nil { // it is no terminal
		return readPassword(lines)
	}
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	if err = unix.IoctlSetTermios(int(file.Fd()), unix.TCSETSF, &quiet); err != nil {
		return "", fmt.Errorf("silence the terminal: %w", err)
	}
	defer func() { _ = unix.IoctlSetTermios(int(file.Fd()), unix.TCSETSF, was) }() // a terminal that has gone needs none
	var typed [2]string
	for i, prompt := range []string{"password: ", "again: "} {
		fmt.Fprint(out, prompt)
		typed[i], err = readPassword(lines)
		fmt.Fprintln(out)
		if err != nil {
			return "", err
		}
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two are not the same; nothing was changed")
	}
	return typed[0], nil
}

func readPassword(from *bufio.Reader) (string, error) {
	line, err := from.ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	return password, access.CheckPassword(password)
}
