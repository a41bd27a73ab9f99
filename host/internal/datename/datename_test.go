package datename

import (
	"regexp"
	"testing"
	"time"
)

func TestName(t *testing.T) {
	at := time.Date(2026, 5, 1, 2, 3, 4, 0, time.FixedZone("", 3600))
	for in, want := range map[string]string{
		"%Y/%m/%d/%H%M%S%%Y.asf": "2026/05/01/010304%Y.asf",
		"x.y":                    "x.y",
		"%":                      "%",
		"":                       "",
	} {
		got := Name(in, at)
		if got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
		looks := regexp.MustCompile("^(" + Looks(in) + ")$")
		if !looks.MatchString(got) || looks.MatchString("xzy") {
			t.Errorf("%s looks like %s", in, looks)
		}
	}
}

func TestWrong(t *testing.T) {
	for in, want := range map[string]string{"a%Y%m%d%H%M%S%%": "", "": "", "a%": "a % at its end", "%%%": "a % at its end", "%x%Y": `"%x"`, "%%x": ""} {
		if got := Wrong(in); got != want {
			t.Errorf("%s has %s, want %s", in, got, want)
		}
	}
}

func TestFurther(t *testing.T) {
	for n, want := range map[int]string{0: "a.b/c.log", 1: "a.b/c.log", 2: "a.b/c-2.log", 10: "a.b/c-10.log"} {
		if got := Further("a.b/c.log", n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := Further("c", 2); got != "c-2" {
		t.Error(got)
	}
}

// FuzzName: a name looks like its pattern, and what is wrong with one is found.
func FuzzName(f *testing.F) {
	f.Add("%Y%m%d.log", int64(1e9))
	f.Add("a%%b%", int64(-1))
	f.Fuzz(func(t *testing.T, pattern string, at int64) {
		name := Name(pattern, time.Unix(at%(1<<37), 0))
		looks, err := regexp.Compile("(?s)^(" + Looks(pattern) + ")$")
		if err != nil {
			return // no UTF-8
		}
		if Wrong(pattern) == "" && !looks.MatchString(name) {
			t.Fatalf("%q becomes %q, which does not look like %s", pattern, name, looks)
		}
	})
}
