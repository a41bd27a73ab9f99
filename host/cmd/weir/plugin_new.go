package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/scaffold"
)

func newPluginNew() *cobra.Command {
	var lang string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write the folder of a new plugin",
		Long: "New writes the folder NAME with a small plugin that works, its test, and the sources of the SDK, so that it builds and tests without a\n" +
			"network. It then prints how to build, configure and try it. A folder that holds something is left as it is.",
		Example: "  weir plugin new mine",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lang != "go" {
				return usageError{fmt.Errorf("--lang %s: there is no template for it; go is what there is", lang)}
			}
			made, err := writePlugin(args[0])
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), made)
			}
			return writeNextSteps(cmd.OutOrStdout(), made.Name)
		},
	}
	cmd.Flags().StringVar(&lang, "lang", "go", "language of the plugin: go")
	return cmd
}

// newFolder is what `weir plugin new` wrote.
type newFolder struct {
	Name   string   `json:"name"`
	Folder string   `json:"folder"`
	Files  []string `json:"files"` // from the folder
}

// writePlugin writes the folder name into the current one.
func writePlugin(name string) (newFolder, error) {
	if err := judgeName(name); err != nil {
		return newFolder{}, usageError{err}
	}
	files, err := scaffold.Go(name)
	if err != nil {
		return newFolder{}, usageError{err}
	}
	if err := judgeManifest(name, files); err != nil {
		return newFolder{}, usageError{err}
	}
	if err := scaffold.Write(name, files); err != nil {
		return newFolder{}, err
	}
	made := newFolder{Name: name, Folder: name}
	for _, f := range files {
		made.Files = append(made.Files, f.Path)
	}
	return made, nil
}

// judgeName holds a name to the rule of a manifest's name.
func judgeName(name string) error {
	var problems manifest.Problems
	if errors.As((&manifest.Manifest{Name: name}).Validate(), &problems) {
		for _, p := range problems {
			if p.Key == "name" {
				return fmt.Errorf("the name %s", p.Text)
			}
		}
	}
	return nil
}

// judgeManifest finds the names that YAML reads as something else, such as null.
func judgeManifest(name string, files []scaffold.File) error {
	for _, f := range files {
		if f.Path != manifestFile {
			continue
		}
		if m, err := manifest.Parse(f.Bytes); err != nil || m.Name != name {
			return fmt.Errorf("a plugin cannot be named %q, which means something else in %s; choose another name", name, manifestFile)
		}
	}
	return nil
}

func writeNextSteps(w io.Writer, name string) error {
	_, err := fmt.Fprintf(w, `%[1]s/ is ready; its README.md says what is where. Next:

build it:
  cd %[1]s && go test ./... && weir plugin build && cd ..

add it to plugins.yaml and start the server:
  plugins:
    %[1]s: {module: %[1]s/%[1]s.wasm, listeners: [web], config: {greeting: hello}}

ask it, and after a change and a build put the new one in force:
  curl 'http://localhost:8080/%[1]s?name=you'
  weir plugin reload %[1]s
`, name)
	return err
}
