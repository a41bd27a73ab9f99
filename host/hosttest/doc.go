// Package hosttest starts a whole weir inside a test, for authors of plugins and for
// weir's own end-to-end tests.
//
// It owns the servers that it starts and the modules that it builds: the first-party
// plugins come from source, compiled to WebAssembly once per test binary, so that a
// test needs nothing but a configuration in the words of plugins.yaml. Text goes in; a
// running Server with its addresses, and what its status says, come out. It never
// sleeps: each wait polls for an event until a deadline, and fails the test there. It
// is no way to run weir outside of tests.
//
//	s := hosttest.Start(t, `
//	listeners: {web: {address: "127.0.0.1:0"}}
//	plugins:
//	  hello: {module: "builtin:hello", listeners: [web]}
//	`, hosttest.Plugin("hello", "testdata/hello"))
//	resp, err := http.Get(s.URL("web", "http", "/hello"))
package hosttest
