package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestAccess(t *testing.T) {
	c := parsed(t, `access:
  users_file: users.txt
  realm: studio
  rules:
    - {do: publish, points: ["studio/*"], users: [camera1], from: [10.1.2.3/8, loopback, "2001:db8::7"], methods: [digest]}
    - {do: play, users: ["*"], trusted: [192.0.2.0/24]}
    - {allow: false}
`)
	want := Access{UsersFile: c.Path("users.txt"), Realm: "studio", Rules: []AccessRule{
		{Publish: true, Points: Patterns{"studio/*"}, Users: []string{"camera1"}, From: prefixes("10.0.0.0/8", "127.0.0.0/8", "::1/128", "2001:db8::7/128"), Methods: []Method{MethodDigest}},
		{Play: true, Users: []string{"*"}, Trusted: prefixes("192.0.2.0/24"), Methods: AllMethods()},
		{Play: true, Publish: true, Closed: true, Methods: AllMethods()},
	}}
	if !reflect.DeepEqual(c.Access, want) {
		t.Errorf("got  %+v\nwant %+v", c.Access, want)
	}
	if one := parsed(t, "access: {rules: {do: publish, from: [private]}}\n"); len(one.Access.Rules) != 1 || len(one.Access.Rules[0].From) != 6 {
		t.Errorf("one rule: %+v", one.Access)
	}
	if none := parsed(t, "points:\n"); !reflect.DeepEqual(none.Access, Access{}) {
		t.Errorf("none: %+v", none.Access)
	}
}

func TestAccessProblems(t *testing.T) {
	for text, want := range map[string]string{
		"{do: record, allow: true}":                `f.yaml:4: access.rules.0.do: "record" is unknown; write play or publish`,
		"{do: play}":                               "f.yaml:4: access.rules.0: does not say who may; write users: [NAME]",
		"{users: []}":                              "f.yaml:4: access.rules.0.users: is an empty list",
		"{from: []}":                               "f.yaml:4: access.rules.0.from: is an empty list",
		"{from: [home]}":                           `f.yaml:4: access.rules.0.from.0: "home" is no network; write one such as 10.0.0.0/8`,
		"{from: ['::ffff:10.0.0.0/104']}":          "f.yaml:4: access.rules.0.from.0: \"::ffff:10.0.0.0/104\" is an IPv4 address as IPv6 writes it",
		"{users: [a], methods: [md5]}":             `f.yaml:4: access.rules.0.methods.0: "md5" is unknown; `,
		"{user: [a]}":                              `f.yaml:4: access.rules.0.user: unknown key; did you mean "users"?`,
		"{allow: false, users: [a]}":               "f.yaml:4: access.rules.0.allow: is false, so nobody may",
		"{from: [private], trusted: [loopback]}":   "f.yaml:4: access.rules.0: says how users log in, but names none",
		"{users: camera1}":                         "f.yaml:4: access.rules.0.users: is not a list",
		"{points: ['../x'], allow: true}":          "f.yaml:4: access.rules.0.points.0: ",
		"{users: [a]}\n  users_file: null":         "f.yaml:4: access.rules.0.users: needs a file of users; write access: {users_file: users.txt}",
		"{allow: maybe}":                           `f.yaml:4: access.rules.0.allow: "maybe" is neither true nor false`,
		"{allow: true}\n    - {not_from: [1.2.3]}": "f.yaml:5: access.rules.1.not_from.0: \"1.2.3\" is no network",
	} {
		head := "access:\n  users_file: u\n  rules:\n    - "
		if strings.Contains(text, "users_file") {
			head = "access:\n  realm: r\n  rules:\n    - "
		}
		_, err := Options{}.Parse("f.yaml", ".", []byte(head+text+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
