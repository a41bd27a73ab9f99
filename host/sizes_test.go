package host_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Sizes that a reader can hold in the head (chosen). Past the first of a pair the test says so under -v, past the second it fails.
const (
	fileLines, maxFileLines         = 400, 600
	functionLines, maxFunctionLines = 60, 80
	fields, maxFields               = 15, 24
)

// emptyWords say nothing about a type. Each is looked for as a word of a type's name: Info in ModuleInfo, not in Inform.
var emptyWords = []string{"Manager", "Helper", "Helpers", "Util", "Utils", "Common", "Core", "Engine", "Info", "Data"}

// wireFolder holds the ABI's records: their names, DATA among them, and the number of their fields are the specification's.
const wireFolder = "abi/v1"

// copiedFolder holds tools that measure many servers alike; they stay as their authors wrote them.
const copiedFolder = "host/bench/tools"

func TestSizesAndNames(t *testing.T) {
	for path, file := range sources(t) {
		if ast.IsGenerated(file.syntax) {
			continue
		}
		if n := file.lines(file.syntax.FileStart, file.syntax.FileEnd); n > maxFileLines {
			t.Errorf("%s: %d lines, more than %d", path, n, maxFileLines)
		} else if n > fileLines {
			t.Logf("%s: %d lines, more than %d", path, n, fileLines)
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				file.judgeFunction(t, n)
			case *ast.TypeSpec:
				file.judgeType(t, n)
			}
			return true
		})
	}
}

type source struct {
	folder string
	set    *token.FileSet
	syntax *ast.File
}

func sources(t *testing.T) map[string]source {
	t.Helper()
	all := map[string]source{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err = skipHidden(path, e, err); err != nil || e.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		if strings.HasPrefix(path, filepath.Join(root, copiedFolder)) {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(root, path)
		all[short] = source{filepath.ToSlash(filepath.Dir(short)), set, f}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("%d Go files: the test looks at the wrong folder", len(all))
	}
	return all
}

func (s source) lines(from, to token.Pos) int {
	return s.set.Position(to).Line - s.set.Position(from).Line + 1
}

func (s source) judgeFunction(t *testing.T, f *ast.FuncDecl) {
	t.Helper()
	if n := s.lines(f.Pos(), f.End()); n > maxFunctionLines {
		t.Errorf("%s: func %s has %d lines, more than %d", s.set.Position(f.Pos()), f.Name.Name, n, maxFunctionLines)
	} else if n > functionLines {
		t.Logf("%s: func %s has %d lines, more than %d", s.set.Position(f.Pos()), f.Name.Name, n, functionLines)
	}
}

func (s source) judgeType(t *testing.T, spec *ast.TypeSpec) {
	t.Helper()
	if s.folder == wireFolder {
		return
	}
	at, name := s.set.Position(spec.Pos()), spec.Name.Name
	for _, word := range words(name) {
		if slices.Contains(emptyWords, word) {
			t.Errorf("%s: type %s: %q says nothing about what it is", at, name, word)
		}
	}
	st, ok := spec.Type.(*ast.StructType)
	if !ok || strings.HasSuffix(at.Filename, "_test.go") {
		return
	}
	if n := st.Fields.NumFields(); n > maxFields {
		t.Errorf("%s: type %s has %d fields, more than %d; name its sub-states", at, name, n, maxFields)
	} else if n > fields {
		t.Logf("%s: type %s has %d fields, more than %d", at, name, n, fields)
	}
}

// words cuts a name before each word's capital: moduleInfo gives Module and Info, HTTPData gives HTTP and Data.
func words(name string) []string {
	var all []string
	begin := 0
	runes := []rune(name)
	for i := 1; i <= len(runes); i++ {
		if i == len(runes) || unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			word := string(runes[begin:i])
			all = append(all, strings.ToUpper(word[:1])+word[1:])
			begin = i
		}
	}
	return all
}

// TestSleepsAreVirtual: what sleeps is a test, in a bubble of testing/synctest, where time passes as soon as all wait. Others wait for the event.
func TestSleepsAreVirtual(t *testing.T) {
	for path, file := range sources(t) {
		bubbles := slices.ContainsFunc(file.syntax.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
		if bubbles && strings.HasSuffix(path, "_test.go") || strings.Contains(file.folder, "/testdata/") ||
			strings.HasPrefix(file.folder, "testplugins") { // guests see virtual time or none
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s: time.Sleep", file.set.Position(s.Pos()))
				}
			}
			return true
		})
	}
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{"moduleInfo": "Module Info", "Inform": "Inform", "HTTPData": "HTTP Data", "data": "Data", "A": "A", "readID": "Read ID"} {
		if got := strings.Join(words(name), " "); got != want {
			t.Errorf("words(%q) = %q, want %q", name, got, want)
		}
	}
}
