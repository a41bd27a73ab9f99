package sdk

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestConfig(t *testing.T) {
	c := Config(` { "a" : {"n": 1, "x": "}"}, "n":3000,"t" : "q\"\u00e9\ud83d\ude00\n","l":["n", {"n":9}], "b":true, "m" : -7 } `)
	if got := c.Int("n", 1); got != 3000 {
		t.Errorf("n = %d", got)
	}
	if got := c.Int("m", 1); got != -7 {
		t.Errorf("m = %d", got)
	}
	if got := c.Text("t", "-"); got != "q\"é😀\n" {
		t.Errorf("t = %q", got)
	}
	if !c.Bool("b", false) || c.Bool("n", false) {
		t.Error("Bool is wrong")
	}
	if o := c.Object("a"); o.Int("n", 0) != 1 || o.Text("x", "-") != "}" || o.Object("n") != nil || c.Object("l") != nil || c.Object("z") != nil {
		t.Errorf("Object gives %q", o)
	}
	if c.Int("x", 5) != 5 || c.Int("t", 6) != 6 || c.Text("n", "no") != "no" {
		t.Error("a fallback is wrong")
	}
	for _, bad := range []Config{nil, {}, []byte("null"), []byte("{"), []byte(`{"n"`), []byte(`{"n":`), []byte(`{"n":"`), []byte("[1]")} {
		if bad.Int("n", 4) != 4 {
			t.Errorf("%q: no fallback", bad)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"n":3000,"t":"x","b":false}`), "n")
	f.Add([]byte(`{"a":{"n":[1,{}]},"t":"\ud800\u0041\\"}`), "t")
	f.Add([]byte(`{"a":[}`), "a")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		const absent = "\x00absent"
		text, n := Config(b).Text(key, absent), Config(b).Int(key, -1)
		if _, repeated := dupless(b); repeated || !utf8.Valid(b) || strings.Contains(string(b), `\ud`) || strings.Contains(string(b), `\uD`) {
			return
		}
		var whole map[string]any
		if json.Unmarshal(b, &whole) != nil || whole == nil {
			return
		}
		if want, ok := whole[key].(string); ok && text != want {
			t.Errorf("Text %q = %q, want %q", key, text, want)
		}
		if want, ok := whole[key].(float64); ok && want == float64(int32(want)) && n != int64(want) && n != -1 {
			t.Errorf("Int %q = %d, want %v", key, n, want)
		}
		if _, ok := whole[key]; !ok && (text != absent || n != -1) {
			t.Errorf("key %q found in %q", key, b)
		}
	})
}

// dupless tells whether an object names a key twice at its top: encoding/json keeps the
// last, Config the first.
func dupless(b []byte) (keys map[string]bool, repeated bool) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	keys = map[string]bool{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return keys, false
	}
	for d.More() {
		k, err := d.Token()
		name, ok := k.(string)
		var v json.RawMessage
		if err != nil || !ok || d.Decode(&v) != nil {
			return keys, false
		}
		if keys[name] {
			return keys, true
		}
		keys[name] = true
	}
	return keys, false
}
